//! `di-center`, the reference exchange center.

fn main() -> std::process::ExitCode {
    center::main()
}
