//! What this crate must never call.

use std::path::Path;

/// Calls that change a PIN or a token, or hold the module, by their names in C and in cryptoki.
const NEVER: &[&str] = &[
    "C_SetPIN",
    "C_InitPIN",
    "C_InitToken",
    "C_WaitForSlotEvent",
    "set_pin",
    "init_pin",
    "init_token",
    "wait_for_slot_event",
    "get_slot_event",
    "UserType::So",
    "destroy_object",
    "create_object",
    "open_rw_session",
];

#[test]
fn no_line_of_code_names_what_changes_a_pin_or_a_token() {
    let (mut files, mut open) = (0, vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        files += 1;
        for (line, text) in (1..).zip(std::fs::read_to_string(&path).unwrap().lines()) {
            let code = text.split("//").next().unwrap();
            for never in NEVER {
                assert!(!code.contains(never), "{}:{line}: {never}", path.display());
            }
        }
    }
    assert!(files > 10, "only {files} files: not looked");
}
