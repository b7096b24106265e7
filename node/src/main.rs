//! `di-node`.

fn main() -> std::process::ExitCode {
    node::main()
}
