//! `verify`: a container, an evidence file or a receipt, offline, link by link.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use clap::Args;
use envelope::Certificate;
use envelope::container::Exchange;
use envelope::evidence::{self, Mark, Step, TimeSource, Trust};
use envelope::receipt::{Kind, Receipt, Verdict, VerifiedReceipt};
use envelope::trust::Anchors;
use serde::Serialize;

use crate::api::read::hex;
use crate::api::view::Reason;
use crate::cli::failure::Failure;
use crate::cli::source::settings;
use crate::cli::{Civil, Done, Out, exit, rfc3339};
use crate::setup::inspect;
use crate::table::{pad, plain};
use crate::words;

/// Receipts are small; a longer file is none.
const LONGEST_RECEIPT: u64 = 16 << 20;

/// 離線驗證
#[derive(Args, Debug)]
pub(crate) struct Verify {
    /// 簽章容器（.asice）、證據檔（.evidence.zip）或回條（.der）
    #[arg(value_name = "檔案")]
    file: PathBuf,
    /// 憑證管理中心的憑證（PEM）；未指定時取自設定檔
    #[arg(long, value_name = "檔案")]
    anchors: Option<PathBuf>,
    /// 交換中心開立回條所用的憑證
    #[arg(long, value_name = "檔案")]
    center_receipt_cert: Vec<PathBuf>,
    /// 註冊單位的憑證（PEM）
    #[arg(long, value_name = "檔案")]
    registrar_anchors: Option<PathBuf>,
    /// 以 JSON 輸出
    #[arg(long)]
    json: bool,
}

/// `verify --json`.
#[derive(Debug, Serialize)]
struct Verified {
    file: String,
    /// `holds`, `fails` or `undecided`.
    result: &'static str,
    document: Option<String>,
    sender: Option<String>,
    subject: Option<String>,
    relied_on: Option<Relied>,
    links: Vec<Link>,
    files: Vec<Member>,
    commands: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Relied {
    at: String,
    /// `center-receipt`, `sender-claim` or `receipt`.
    source: &'static str,
}

#[derive(Debug, Serialize)]
struct Link {
    step: &'static str,
    recipient: Option<String>,
    mark: &'static str,
    reason: Option<Reason>,
    detail: String,
    at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Member {
    name: String,
    size: u64,
    sha256: String,
}

/// Does it: 0 holds, 1 fails, 2 is no such file, 3 cannot be decided.
pub(crate) fn verify(args: &Verify, config: Option<&Path>, out: &mut Out) -> Done {
    let not_there = |e: std::io::Error| {
        let label =
            if e.kind() == std::io::ErrorKind::NotFound { "file-not-found" } else { "file-not-readable" };
        let what = format!("{}：{}", words::what(label), args.file.display());
        Failure::new(exit::NOT_FOUND, label, what).because(e)
    };
    let mut file = File::open(&args.file).map_err(not_there)?;
    let (trust, anchors) = trust(args, config)?;
    let mut head = [0; 4];
    let mut got = 0;
    while got < head.len() {
        match file.read(head.get_mut(got..).unwrap_or_default()).map_err(not_there)? {
            0 => break,
            n => got += n,
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(not_there)?;
    let verified = match head {
        [b'P', b'K', ..] => container(&mut file, &trust, args, anchors.as_deref())?,
        [0x30, ..] => receipt(file, &trust, args)?,
        _ => return Err(none(args, None)),
    };
    if args.json {
        out.json(&verified)?;
    } else {
        out.text(&text(&verified))?;
    }
    Ok(match verified.result {
        "holds" => exit::OK,
        "fails" => exit::FAILED,
        _ => exit::UNDECIDED,
    })
}

/// From the flags; what they leave open, from the configuration if there is one. Beside it the file of the anchors.
fn trust(args: &Verify, config: Option<&Path>) -> Result<(Trust, Option<PathBuf>), Failure> {
    let failed = |t: inspect::Trouble| {
        let what = format!("{}：{}", words::what(&t.label), t.detail);
        let code = if t.label.starts_with("file-") { exit::NOT_FOUND } else { exit::FAILED };
        Failure::new(code, t.label, what)
    };
    // A configuration that was asked for must be right; one that happens to be there need not.
    let settings = match (settings(config), config) {
        (Ok((settings, _)), _) => Some(settings),
        (Err(failure), Some(_)) => return Err(failure),
        (Err(_), None) => None,
    };
    let trusted = settings.as_ref().and_then(|s| s.trust.anchors.clone());
    let registrar = settings.as_ref().and_then(|s| s.center.registrar_anchors.clone());
    let mut centers = args.center_receipt_cert.clone();
    if centers.is_empty()
        && let Some(settings) = settings
    {
        centers = settings.center.receipt_certificate;
    }
    let anchors = |path: Option<PathBuf>| -> Result<Anchors, Failure> {
        match path {
            None => Ok(Anchors::default()),
            Some(path) => inspect::certificates(&path).map(Anchors::new).map_err(failed),
        }
    };
    let mut pinned = Vec::new();
    for path in &centers {
        pinned.extend(inspect::certificates(path).map_err(failed)?);
    }
    let anchored = args.anchors.clone().or(trusted);
    let trust = Trust {
        anchors: anchors(anchored.clone())?,
        registrars: anchors(args.registrar_anchors.clone().or(registrar))?,
        centers: pinned,
    };
    Ok((trust, anchored))
}

fn none(args: &Verify, error: Option<envelope::Error>) -> Failure {
    let label = "not-verifiable";
    let what = format!("{}：{}", words::what(label), args.file.display());
    let failure = Failure::new(exit::UNREADABLE, label, what);
    match error {
        Some(error) => {
            let said = format!("{}［{}］", words::what(error.label()), error.label());
            failure.because(format!("{said}（{error}）"))
        }
        None => failure,
    }
}

fn container(
    file: &mut File,
    trust: &Trust,
    args: &Verify,
    anchors: Option<&Path>,
) -> Result<Verified, Failure> {
    let report = evidence::verify(file, trust).map_err(|e| none(args, Some(e)))?;
    let without_anchors = trust.anchors.certificates().is_empty();
    let mut links: Vec<Link> = report.links.iter().map(link).collect();
    for (shown, found) in links.iter_mut().zip(&report.links) {
        refine(shown, found, report.exchange.as_ref(), without_anchors);
    }
    let relied_on = report.relied_on.map(|(at, source)| Relied {
        at: rfc3339(at),
        source: match source {
            TimeSource::CenterReceipt => "center-receipt",
            TimeSource::SenderClaim => "sender-claim",
        },
    });
    let bare = args.file.extension().is_some_and(|e| e.eq_ignore_ascii_case("asice"));
    let files =
        report.files.iter().map(|f| Member { name: f.name.clone(), size: f.size, sha256: hex(&f.sha256) });
    Ok(Verified {
        file: args.file.display().to_string(),
        result: result(&links, report.holds()),
        document: report.exchange.as_ref().map(|e| hex(&e.document)),
        sender: report.exchange.as_ref().map(|e| e.sender.clone()),
        subject: report.exchange.as_ref().map(|e| e.subject.clone()),
        commands: commands(args, anchors, bare, report.relied_on.map(|(at, _)| at)),
        relied_on,
        files: files.collect(),
        links,
    })
}

fn result(links: &[Link], holds: bool) -> &'static str {
    if links.iter().any(|l| l.mark == "no") {
        "fails"
    } else if holds {
        "holds"
    } else {
        "undecided"
    }
}

fn link(link: &evidence::Link) -> Link {
    let (mark, reason) = match link.mark {
        Mark::Yes => ("yes", None),
        Mark::No => ("no", Reason::of(link.label, "")),
        Mark::Unknown => ("unknown", Reason::of(link.label, "")),
    };
    Link {
        step: step(link.step),
        recipient: link.recipient.clone(),
        mark,
        reason,
        detail: link.detail.clone(),
        at: link.at.map(rfc3339),
    }
}

/// What the container's reader cannot know: whether there were anchors at all, and which recipients have the other
/// container.
fn refine(shown: &mut Link, found: &evidence::Link, exchange: Option<&Exchange>, without_anchors: bool) {
    if found.step == Step::Revocation && found.label == "revocation-unknown" {
        shown.reason = Reason::of("revocation-not-included", "");
    }
    if without_anchors && found.label == "untrusted" {
        shown.mark = "unknown";
        shown.reason = Reason::of("anchor-missing", "");
        shown.detail = String::new();
    }
    if let (Some(exchange), Some(code), "receipt-missing") = (exchange, &found.recipient, found.label) {
        let reduced = exchange.withheld > 0;
        let mixed = exchange.recipients.iter().any(|r| r.attachments)
            && exchange.recipients.iter().any(|r| !r.attachments);
        let here = exchange.recipients.iter().any(|r| r.code == *code && r.attachments != reduced);
        if (reduced || mixed) && !here {
            shown.mark = "elsewhere";
            shown.reason = Reason::of("other-container", "");
        }
    }
}

const fn step(step: Step) -> &'static str {
    match step {
        Step::File => "file",
        Step::Container => "container",
        Step::Signature => "signature",
        Step::SenderChain => "sender-chain",
        Step::Registration => "registration",
        Step::CenterReceipt => "center-receipt",
        Step::ReceiverReceipt => "receiver-receipt",
        Step::Revocation => "revocation",
    }
}

/// A bare receipt: signed by the pinned center, or by a member under the anchors at the time of its line.
fn receipt(mut file: File, trust: &Trust, args: &Verify) -> Result<Verified, Failure> {
    let mut der = Vec::new();
    let read = file.by_ref().take(LONGEST_RECEIPT).read_to_end(&mut der);
    if read.is_err() {
        return Err(none(args, None));
    }
    let receipt = Receipt::from_der(&der).map_err(|e| none(args, Some(e)))?;
    let first = receipt.lines().first();
    let at = first.map_or(0, |l| l.archived.unwrap_or(l.arrived));
    let by_center = first.is_some_and(|l| l.verdict == Verdict::Accepted);
    let judged: Result<VerifiedReceipt, Option<envelope::Error>> = if by_center {
        pinned(&receipt, &trust.centers, at)
    } else if trust.anchors.certificates().is_empty() {
        Err(None)
    } else {
        receipt.verify(Kind::Receiver, &trust.anchors, at).map_err(Some)
    };
    let step = if by_center { "center-receipt" } else { "receiver-receipt" };
    let mut links = Vec::new();
    let (mark, reason, detail) = match &judged {
        Ok(verified) => ("yes", None, verified.signer.subject().to_owned()),
        Err(None) => ("unknown", Reason::of("anchor-missing", ""), String::new()),
        Err(Some(error)) => ("no", Reason::of(error.label(), ""), error.to_string()),
    };
    links.push(Link {
        step,
        recipient: None,
        mark,
        reason,
        detail,
        at: judged.as_ref().ok().map(|v| rfc3339(v.signing_time)),
    });
    for line in receipt.lines() {
        let said = match line.verdict {
            Verdict::Accepted => "系統確認",
            Verdict::Confirmed => "使用者確認",
            Verdict::Returned => "使用者退文",
            Verdict::Misdelivered => "誤送通知",
        };
        links.push(Link {
            step: "receipt-line",
            recipient: Some(line.recipient.clone()),
            mark,
            reason: Reason::of(&line.label, ""),
            detail: format!("{said}：{} → {}，公文 {}", line.sender, line.recipient, hex(&line.document)),
            at: Some(rfc3339(line.archived.unwrap_or(line.arrived))),
        });
    }
    Ok(Verified {
        file: args.file.display().to_string(),
        result: match &judged {
            Ok(_) => "holds",
            Err(Some(_)) => "fails",
            Err(None) => "undecided",
        },
        document: first.map(|l| hex(&l.document)),
        sender: first.map(|l| l.sender.clone()),
        subject: None,
        relied_on: Some(Relied { at: rfc3339(at), source: "receipt" }),
        links,
        files: Vec::new(),
        commands: Vec::new(),
    })
}

fn pinned(
    receipt: &Receipt,
    centers: &[Certificate],
    at: i64,
) -> Result<VerifiedReceipt, Option<envelope::Error>> {
    let mut last = None;
    for center in centers {
        match receipt.verify_pinned(Kind::Center, center, at) {
            Ok(verified) => return Ok(verified),
            Err(error) => last = Some(error),
        }
    }
    Err(last)
}

/// What checks the same without di-node, one line after the other in one shell; from the third on in the container's
/// folder, so that the anchors are named by their absolute path.
fn commands(args: &Verify, anchors: Option<&Path>, bare: bool, at: Option<i64>) -> Vec<String> {
    let quoted = |path: &Path| format!("'{}'", plain(&path.display().to_string()).replace('\'', "'\\''"));
    let anchors = anchors.map_or_else(
        || "../anchors.pem".to_owned(),
        |path| quoted(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
    );
    let mut list = Vec::new();
    let container = if bare {
        quoted(&args.file)
    } else {
        list.push(format!("unzip -o {} container.asice", quoted(&args.file)));
        "container.asice".to_owned()
    };
    list.push(format!("unzip -o {container} -d 容器"));
    list.push("cd 容器".to_owned());
    list.push(
        "for f in unit/* exchange.xml; do echo \"$(openssl dgst -sha256 -binary \"$f\" | base64)  $f\"; done   # 與 META-INF/ASiCManifest001.xml 的 DigestValue 比對"
            .to_owned(),
    );
    let at = at.map_or_else(String::new, |at| format!(" -attime {}", at.div_euclid(1000)));
    list.push(format!(
        "openssl cms -verify -cades -binary -inform DER -purpose any{at} -in META-INF/signature001.p7s -content META-INF/ASiCManifest001.xml -CAfile {anchors} -out /dev/null"
    ));
    list
}

fn text(v: &Verified) -> String {
    let civil = Civil::local();
    let time = |text: &str| {
        text.parse::<jiff::Timestamp>().map_or_else(|_| text.to_owned(), |t| civil.second(t.as_millisecond()))
    };
    let mut out = String::new();
    let word = match v.result {
        "holds" => "驗證通過",
        "fails" => "驗證不符",
        _ => "未能判定",
    };
    out.push_str(&format!("{}：{word}\n", plain(&v.file)));
    for (name, value) in [("公文", &v.document), ("發文", &v.sender), ("主旨", &v.subject)] {
        if let Some(value) = value {
            out.push_str(&format!("  {name}　{}\n", plain(value)));
        }
    }
    if let Some(relied) = &v.relied_on {
        let source = match relied.source {
            "center-receipt" => "交換中心回條所載的收件時間",
            "sender-claim" => "發文機關自稱的簽章時間（沒有可採信的中心回條）",
            _ => "回條所載的時間",
        };
        out.push_str(&format!("  依據時間　{}（{}）　{source}\n", time(&relied.at), civil.offset(0)));
    }
    for link in &v.links {
        let mark = match link.mark {
            "yes" => "✓",
            "no" => "✗",
            "elsewhere" => "–",
            _ => "?",
        };
        let of = link.recipient.as_deref().map(|r| format!("（{}）", plain(r))).unwrap_or_default();
        let at = link.at.as_deref().map(|t| format!("　{}", time(t))).unwrap_or_default();
        let line = format!("{mark} {}{of}　{}{at}", pad(step_word(link.step), 16), plain(&link.detail));
        out.push_str(&format!("{}\n", line.trim_end()));
        if let Some(reason) = &link.reason {
            out.push_str(&format!("    {}［{}］\n    處理：{}\n", reason.what, reason.label, reason.remedy));
        }
    }
    if !v.files.is_empty() {
        out.push_str("檔案\n");
        for file in &v.files {
            out.push_str(&format!("  {}  {:>10}  {}\n", file.sha256, file.size, plain(&file.name)));
        }
    }
    if !v.commands.is_empty() {
        out.push_str("不用 di-node 也能檢查：\n");
        for command in &v.commands {
            out.push_str(&format!("  {command}\n"));
        }
    }
    out
}

fn step_word(step: &str) -> &'static str {
    match step {
        "file" => "檔案",
        "container" => "容器與雜湊值",
        "signature" => "發文機關簽章",
        "sender-chain" => "發文機關憑證",
        "registration" => "地址簿登記",
        "center-receipt" => "系統確認回條",
        "receiver-receipt" => "收文機關回條",
        "receipt-line" => "回條內容",
        _ => "憑證廢止狀態",
    }
}
