//! How fast a letter is parsed and judged, whether time is linear in any shape of input, and how much memory it takes.
//!
//! `make bench-di` (or `cargo bench -p di-format`): JSON lines, one a measurement. `--quick` leaves out the large sizes;
//! `letters`, `sweep` or `memory` asks for a part.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measuring program")]

#[path = "speed/shapes.rs"]
mod shapes;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use di_format::{Kind, Limits, Verdict, model, read};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flag, name, size] = &arguments[..]
        && flag == "--peak"
    {
        return peak(name, size.parse().unwrap());
    }
    if let [_, flag, size, seconds] = &arguments[..]
        && flag == "--spin"
    {
        return spin(size.parse().unwrap(), seconds.parse().unwrap());
    }
    let given = |name: &str| arguments.iter().any(|argument| argument == name);
    let quick = given("--quick");
    for (name, measure) in [("letters", letters as fn(bool)), ("sweep", sweep), ("memory", memory)] {
        if given(name) || !["letters", "sweep", "memory"].into_iter().any(given) {
            measure(quick);
        }
    }
}

/// Limits that let any of the shapes through.
fn wide() -> Limits {
    Limits { size: 256 << 20, nodes: u32::MAX, entities: usize::MAX, ..Limits::default() }
}

/// The best and the middle time of several runs of at least 0.3 s together.
fn timed(mut run: impl FnMut()) -> (Duration, Duration) {
    run();
    let mut times = Vec::new();
    let start = Instant::now();
    while times.len() < 2 || (start.elapsed() < Duration::from_millis(300) && times.len() < 5000) {
        let (one, before) = (Instant::now(), processor());
        run();
        let (wall, used) = (one.elapsed(), processor().saturating_sub(before));
        // a long run is interrupted by others: there the time on the processor counts
        times.push(if wall > Duration::from_millis(20) && !used.is_zero() { used.min(wall) } else { wall });
    }
    times.sort_unstable();
    (times[0], times[times.len() / 2])
}

/// Time on the processor so far (to a few milliseconds); 0 where the system does not say.
fn processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(
        text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default(),
    )
}

/// Letters as they are: time, throughput, and what xmllint takes for the same file.
fn letters(quick: bool) {
    let sizes: &[usize] =
        if quick { &[10_000, 1_000_000] } else { &[2_000, 10_000, 100_000, 1_000_000, 8_000_000] };
    for &size in sizes {
        for (encoding, bytes) in
            [("utf-8", shapes::letter(size)), ("cp950", shapes::in_cp950(&shapes::letter(size)))]
        {
            assert_eq!(read(&bytes, &wide()).verdict, Verdict::Valid);
            let (best, middle) = timed(|| {
                black_box(read(black_box(&bytes), &wide()));
            });
            println!(
                "{{\"what\":\"parse and validate\",\"encoding\":\"{encoding}\",\"bytes\":{},\"best_us\":{:.1},\"median_us\":{:.1},\"best_mb_s\":{:.0},\"median_mb_s\":{:.0}}}",
                bytes.len(),
                best.as_secs_f64() * 1e6,
                middle.as_secs_f64() * 1e6,
                speed(bytes.len(), best),
                speed(bytes.len(), middle),
            );
        }
        xmllint(&shapes::letter(size));
    }
}

fn speed(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

/// `xmllint --noout --valid` on the same letter with the DTD printed from our tables: the whole process, and by its own
/// `--timing` the parsing (with validation) alone.
fn xmllint(bytes: &[u8]) {
    let folder = std::env::temp_dir().join(format!("di-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("104_2_utf8.dtd"), model::dtd(Kind::Letter)).unwrap();
    std::fs::write(folder.join("letter.xml"), bytes).unwrap();
    let run = |extra: &[&str]| {
        Command::new("xmllint")
            .current_dir(&folder)
            .args(["--noout", "--valid", "--huge"])
            .args(extra)
            .arg("letter.xml")
            .output()
    };
    match run(&[]) {
        Ok(output) if output.status.success() => {
            let (best, _) = timed_few(|| {
                run(&[]).unwrap();
            });
            // without --noout's process start: the same file a hundred times
            let (hundred, _) = timed_few(|| {
                run(&["--repeat"]).unwrap();
            });
            let one = hundred.saturating_sub(best) / 99;
            println!(
                "{{\"what\":\"xmllint --noout --valid\",\"encoding\":\"utf-8\",\"bytes\":{},\"process_us\":{:.1},\"repeated_us\":{:.1},\"repeated_mb_s\":{:.0}}}",
                bytes.len(),
                best.as_secs_f64() * 1e6,
                one.as_secs_f64() * 1e6,
                speed(bytes.len(), one),
            );
        }
        Ok(output) => {
            println!("{{\"what\":\"xmllint\",\"said\":{:?}}}", String::from_utf8_lossy(&output.stderr))
        }
        Err(_) => println!("{{\"what\":\"xmllint\",\"said\":\"not installed\"}}"),
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

fn timed_few(mut run: impl FnMut()) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..3)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[0], times[1])
}

/// Nanoseconds per byte of every shape at growing sizes; flat is linear.
fn sweep(quick: bool) {
    let sizes: &[usize] = if quick {
        &[10_000, 1_000_000]
    } else {
        &[1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000]
    };
    for shape in shapes::ALL {
        let mut figures = Vec::new();
        for &size in sizes {
            let bytes = (shape.make)(size);
            let (best, _) = timed(|| {
                black_box(read(black_box(&bytes), &wide()));
            });
            figures.push(format!("[{},{:.2}]", bytes.len(), best.as_secs_f64() * 1e9 / bytes.len() as f64));
        }
        println!(
            "{{\"what\":\"ns per byte\",\"shape\":\"{}\",\"sizes\":[{}]}}",
            shape.name,
            figures.join(",")
        );
    }
}

/// Peak resident memory of a process that reads one file, over what it had before, as a multiple of the file.
fn memory(quick: bool) {
    // the largest file that is read, and smaller ones that hold as many elements as are read
    let sizes: &[usize] = if quick { &[1 << 20] } else { &[8_300_000, 4_400_000, 2_200_000, 1_200_000] };
    let program = std::env::current_exe().unwrap();
    for (shape, size) in shapes::ALL.iter().flat_map(|shape| sizes.iter().map(move |size| (shape, size))) {
        let output = Command::new(&program).args(["--peak", shape.name, &size.to_string()]).output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// In a process of its own: the default limits, one file, the high-water mark.
fn peak(name: &str, size: usize) {
    let shape = shapes::ALL.iter().find(|shape| shape.name == name).unwrap();
    let path = std::env::temp_dir().join(format!("di-bench-peak-{}", std::process::id()));
    std::fs::write(&path, (shape.make)(size)).unwrap();
    // making the file took memory too: start again from nothing
    let program = std::env::current_exe().unwrap();
    if std::env::var_os("DI_BENCH_FILE").is_none() {
        let status = Command::new(program).args(["--peak", name, "0"]).env("DI_BENCH_FILE", &path).status();
        std::fs::remove_file(&path).unwrap();
        assert!(status.unwrap().success());
        return;
    }
    std::fs::remove_file(&path).unwrap();
    let bytes = std::fs::read(std::env::var_os("DI_BENCH_FILE").unwrap()).unwrap();
    let before = high_water();
    let reading = read(&bytes, &Limits::default());
    let after = high_water();
    let length = bytes.len();
    println!(
        "{{\"what\":\"peak memory\",\"shape\":\"{name}\",\"bytes\":{length},\"verdict\":\"{}\",\"label\":\"{}\",\"mb_with_the_file\":{:.1},\"times_the_file\":{:.1}}}",
        reading.verdict.as_str(),
        reading.worst().map_or("", |problem| problem.label),
        (after - before + length) as f64 / 1e6,
        (after - before + length) as f64 / length as f64,
    );
}

/// VmHWM of this process in bytes.
fn high_water() -> usize {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// For a profiler: reads one letter again and again.
fn spin(size: usize, seconds: u64) {
    let bytes = shapes::letter(size);
    let start = Instant::now();
    let mut times = 0_u64;
    while start.elapsed() < Duration::from_secs(seconds) {
        black_box(read(black_box(&bytes), &wide()));
        times += 1;
    }
    println!("{times} times {} bytes", bytes.len());
}
