fn main() { for f in std::env::args().skip(1) { let b = std::fs::read(&f).unwrap(); let r = di_format::read(&b, &Default::default());
 println!("{f}\n  {} {:?} {:?} {}", r.verdict.as_str(), r.kind, r.edition, r.encoding.as_str()); for p in &r.problems { println!("   {p}  [{}|{}] {}", p.found, p.expected, p.official); }
 if std::env::var("FULL").is_ok() { println!("{:#?} {:#?} {:?}", r.letter, r.roster, r.companions()); } } }
