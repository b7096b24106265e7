//! Named points where a test build ends the process, as a power cut would. Nothing of this is in a release build.

/// Ends the process here if `DI_FAILPOINT` is `name` or `name:N` (at the N-th passing) and the feature `failpoints` is
/// on; otherwise nothing, at no cost.
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::reach($name);
    };
}

/// See [`fail_point`](crate::fail_point).
#[cfg(feature = "failpoints")]
pub fn reach(name: &str) {
    use std::collections::HashMap;
    use std::sync::Mutex;
    static PASSED: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

    let Ok(wanted) = std::env::var("DI_FAILPOINT") else { return };
    let (point, nth) = wanted.split_once(':').unwrap_or((&wanted, "1"));
    if point != name {
        return;
    }
    let mut passed = PASSED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let count = passed.get_or_insert_default().entry(name.to_owned()).or_default();
    *count += 1;
    if nth.parse() == Ok(*count) {
        eprintln!("fail point {name} reached");
        std::process::abort();
    }
}
