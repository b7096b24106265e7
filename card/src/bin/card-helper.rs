//! The card helper alone, for this crate's tests and measurements. The product starts it as a hidden verb of `di-node`.

fn main() {
    std::process::exit(card::helper::main())
}
