//! The two XML files inside a container, written and read in exactly one form; and what the evidence index shares.

use crate::container::{Addressee, Exchange, Role};
use crate::error::Error;
use crate::{Digest, hex, names, pem, time};
use roxmltree::{Document, Node, ParsingOptions};
use std::fmt::Write as _;

/// Largest XML file that is read, bytes.
pub(crate) const MAX_XML: u64 = 1024 * 1024;
const NAMESPACE: &str = "urn:di-exchange:1";
const ASIC: &str = "http://uri.etsi.org/02918/v1.2.1#";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const SHA256_URI: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
/// Longest code, kind and subject, in bytes.
const MAX_CODE: usize = 64;
const MAX_KIND: usize = 256;
const MAX_SUBJECT: usize = 64 * 1024;

/// A file as `exchange.xml` lists it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) size: u64,
    pub(crate) sha256: Digest,
}

/// Writes ` name="value"`; a character that XML 1.0 can not carry is an error.
pub(crate) fn attribute(out: &mut String, name: &str, value: &str) -> Result<(), Error> {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Attribute values are normalised by parsers unless written as references (XML 1.0 §3.3.3).
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                return Err(Error::Argument { what: "a control character that XML cannot carry" });
            }
            c => out.push(c),
        }
    }
    out.push('"');
    Ok(())
}

const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Di => "di",
        Role::Sw => "sw",
        Role::Attachment => "attachment",
    }
}

pub(crate) fn write_exchange(exchange: &Exchange, files: &[Listed]) -> Result<Vec<u8>, Error> {
    let mut out = format!("{DECLARATION}<exchange xmlns=\"{NAMESPACE}\" version=\"1\">\n  <document");
    attribute(&mut out, "id", &hex(&exchange.document))?;
    attribute(&mut out, "kind", &exchange.kind)?;
    attribute(&mut out, "subject", &exchange.subject)?;
    attribute(&mut out, "created", &time::rfc3339(exchange.created)?)?;
    out.push_str("/>\n  <sender");
    attribute(&mut out, "code", &exchange.sender)?;
    out.push_str("/>\n  <recipients>\n");
    for recipient in &exchange.recipients {
        out.push_str("    <recipient");
        attribute(&mut out, "code", &recipient.code)?;
        attribute(&mut out, "attachments", if recipient.attachments { "true" } else { "false" })?;
        out.push_str("/>\n");
    }
    let _ = write!(out, "  </recipients>\n  <files withheld=\"{}\">\n", exchange.withheld);
    for file in files {
        out.push_str("    <file");
        attribute(&mut out, "name", &file.name)?;
        attribute(&mut out, "role", role_name(file.role))?;
        let _ = writeln!(out, " size=\"{}\" sha256=\"{}\"/>", file.size, hex(&file.sha256));
    }
    out.push_str("  </files>\n</exchange>\n");
    if out.len() as u64 > MAX_XML {
        return Err(Error::TooLarge { what: "exchange.xml", limit: MAX_XML });
    }
    // What we write, we must be able to read: the same rules hold for both.
    match read_exchange(out.as_bytes()) {
        Ok(_) => Ok(out.into_bytes()),
        Err(Error::ExchangeMalformed { what } | Error::ExchangeContradiction { what }) => {
            Err(Error::Argument { what })
        }
        Err(e) => Err(e),
    }
}

pub(crate) fn read_exchange(bytes: &[u8]) -> Result<(Exchange, Vec<Listed>), Error> {
    let bad = |what| Error::ExchangeMalformed { what };
    let text = core::str::from_utf8(bytes).map_err(|_| bad("not UTF-8"))?;
    let document = parse(text).ok_or_else(|| bad("not XML, or with a document type"))?;
    let root = document.root_element();
    let [version] =
        attributes(root, NAMESPACE, "exchange", ["version"]).ok_or_else(|| bad("the root element"))?;
    if version != "1" {
        return Err(bad("an unknown version"));
    }
    let [document, sender, recipients, files] =
        *children(root).ok_or_else(|| bad("text between elements"))?
    else {
        return Err(bad("the children of exchange"));
    };
    let [id, kind, subject, created] =
        attributes(document, NAMESPACE, "document", ["id", "kind", "subject", "created"])
            .ok_or_else(|| bad("the document element"))?;
    let [sender] =
        attributes(sender, NAMESPACE, "sender", ["code"]).ok_or_else(|| bad("the sender element"))?;
    let [] =
        attributes(recipients, NAMESPACE, "recipients", []).ok_or_else(|| bad("the recipients element"))?;
    let [withheld] =
        attributes(files, NAMESPACE, "files", ["withheld"]).ok_or_else(|| bad("the files element"))?;
    if kind.is_empty() || kind.len() > MAX_KIND || subject.len() > MAX_SUBJECT {
        return Err(bad("kind or subject"));
    }
    let mut exchange = Exchange {
        document: unhex(id).ok_or_else(|| bad("the document id"))?,
        kind: kind.to_owned(),
        subject: subject.to_owned(),
        created: time::from_rfc3339(created).ok_or_else(|| bad("the creation time"))?,
        sender: code(sender)?,
        recipients: Vec::new(),
        withheld: number(withheld).and_then(|n| u32::try_from(n).ok()).ok_or_else(|| bad("withheld"))?,
    };
    for recipient in children(recipients).ok_or_else(|| bad("text between elements"))? {
        let [recipient, attachments] = attributes(recipient, NAMESPACE, "recipient", ["code", "attachments"])
            .ok_or_else(|| bad("a recipient element"))?;
        let attachments = match attachments {
            "true" => true,
            "false" => false,
            _ => return Err(bad("attachments is neither true nor false")),
        };
        exchange.recipients.push(Addressee { code: code(recipient)?, attachments });
    }
    let mut listed = Vec::new();
    for file in children(files).ok_or_else(|| bad("text between elements"))? {
        let [name, role, size, sha256] =
            attributes(file, NAMESPACE, "file", ["name", "role", "size", "sha256"])
                .ok_or_else(|| bad("a file element"))?;
        names::check(name)?;
        listed.push(Listed {
            name: name.to_owned(),
            role: match role {
                "di" => Role::Di,
                "sw" => Role::Sw,
                "attachment" => Role::Attachment,
                _ => return Err(bad("an unknown role")),
            },
            size: number(size).ok_or_else(|| bad("a file's size"))?,
            sha256: unhex(sha256).ok_or_else(|| bad("a file's digest"))?,
        });
    }
    consistent(&exchange, &listed)?;
    Ok((exchange, listed))
}

/// The rules that `exchange.xml` must keep by itself.
fn consistent(exchange: &Exchange, files: &[Listed]) -> Result<(), Error> {
    let no = |what| Err(Error::ExchangeContradiction { what });
    let count = |role| files.iter().filter(|f| f.role == role).count();
    let mut codes: Vec<&str> = exchange.recipients.iter().map(|r| r.code.as_str()).collect();
    codes.sort_unstable();
    let recipients = codes.len();
    codes.dedup();
    if recipients == 0 {
        return no("no recipient");
    }
    if codes.len() != recipients {
        return no("a recipient occurs twice");
    }
    if count(Role::Di) != 1 || count(Role::Sw) > 1 {
        return no("not exactly one DI and at most one SW");
    }
    Ok(())
}

fn code(text: &str) -> Result<String, Error> {
    let plain = !text.is_empty() && text.len() <= MAX_CODE && text.chars().all(|c| c.is_ascii_graphic());
    if plain { Ok(text.to_owned()) } else { Err(Error::ExchangeMalformed { what: "a code" }) }
}

/// A decimal number without sign, leading zeros or spaces.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// Lower-case hexadecimal of exactly `N` bytes.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (to, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
        let [high, low] = pair else { return None };
        *to = digit(*high)? << 4 | digit(*low)?;
    }
    Some(out)
}

/// XML without a document type, of bounded size, and with few attributes in each tag: the parser compares each with all.
pub(crate) fn parse(text: &str) -> Option<Document<'_>> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: 64 * 1024, ..ParsingOptions::default() };
    if text.len() as u64 > MAX_XML || text.split('<').any(|tag| values(tag) > MAX_ATTRIBUTES) {
        return None;
    }
    Document::parse_with_options(text, options).ok()
}

/// Most attributes and namespaces of one element. Ours have at most 6.
const MAX_ATTRIBUTES: usize = 32;

/// Quoted values before the `>` that ends a tag; given what stands behind its `<`, which no value contains.
fn values(tag: &str) -> usize {
    let (mut quote, mut count) = (None, 0);
    for byte in tag.bytes() {
        match (byte, quote) {
            (b'"' | b'\'', None) => (quote, count) = (Some(byte), count + 1),
            (b'>', None) => break,
            (byte, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    count
}

/// The child elements; `None` when there is anything else than blanks between them.
pub(crate) fn children<'a, 'i>(node: Node<'a, 'i>) -> Option<Vec<Node<'a, 'i>>> {
    let blank = |n: &Node<'_, '_>| n.is_text() && n.text().is_some_and(|t| t.trim().is_empty());
    node.children().filter(|n| !blank(n)).map(|n| n.is_element().then_some(n)).collect()
}

/// The attributes of an element of this name, which must be exactly these.
pub(crate) fn attributes<'a, const N: usize>(
    node: Node<'a, '_>,
    namespace: &str,
    name: &str,
    wanted: [&str; N],
) -> Option<[&'a str; N]> {
    if !node.has_tag_name((namespace, name)) || node.attributes().len() != N {
        return None;
    }
    let mut out = [""; N];
    for (to, name) in out.iter_mut().zip(wanted) {
        *to = node.attribute(name)?;
    }
    Some(out)
}

/// The manifest (EN 319 162-1 §A.4): each entry with its SHA-256, in order.
pub(crate) fn write_manifest(signature: &str, entries: &[(String, Digest)]) -> String {
    let mut out = format!(
        "{DECLARATION}<asic:ASiCManifest xmlns:asic=\"{ASIC}\" xmlns:ds=\"{DSIG}\">\n  \
         <asic:SigReference URI=\"{signature}\" MimeType=\"application/pkcs7-signature\"/>\n"
    );
    for (name, digest) in entries {
        let _ = write!(
            out,
            "  <asic:DataObjectReference URI=\"{}\">\n    <ds:DigestMethod Algorithm=\"{SHA256_URI}\"/>\n    \
             <ds:DigestValue>{}</ds:DigestValue>\n  </asic:DataObjectReference>\n",
            percent(name),
            pem::base64(digest)
        );
    }
    out.push_str("</asic:ASiCManifest>\n");
    out
}

/// What a manifest lists: percent-encoded names and base64 digests, as they stand.
pub(crate) fn read_manifest(bytes: &[u8], signature: &str) -> Result<Vec<(String, String)>, Error> {
    let bad = |what| Error::ContainerMalformed { what };
    let text = core::str::from_utf8(bytes).map_err(|_| bad("the manifest is not UTF-8"))?;
    let document = parse(text).ok_or_else(|| bad("the manifest is not XML, or has a document type"))?;
    let root = document.root_element();
    let [] = attributes(root, ASIC, "ASiCManifest", []).ok_or_else(|| bad("the manifest's root element"))?;
    let children_of = |node| children(node).ok_or_else(|| bad("text between the manifest's elements"));
    let elements = children_of(root)?;
    let Some((reference, objects)) = elements.split_first() else { return Err(bad("an empty manifest")) };
    let [uri, _] = attributes(*reference, ASIC, "SigReference", ["URI", "MimeType"])
        .ok_or_else(|| bad("the manifest's SigReference"))?;
    if uri != signature {
        return Err(bad("the manifest names another signature"));
    }
    let mut listed = Vec::with_capacity(objects.len());
    for object in objects {
        let [uri] = attributes(*object, ASIC, "DataObjectReference", ["URI"])
            .ok_or_else(|| bad("a DataObjectReference of the manifest"))?;
        let [method, value] = *children_of(*object)? else { return Err(bad("a digest in the manifest")) };
        let [algorithm] = attributes(method, DSIG, "DigestMethod", ["Algorithm"])
            .ok_or_else(|| bad("a DigestMethod of the manifest"))?;
        let [] =
            attributes(value, DSIG, "DigestValue", []).ok_or_else(|| bad("a DigestValue of the manifest"))?;
        if algorithm != SHA256_URI {
            return Err(Error::WrongAlgorithm { what: "a digest of the manifest" });
        }
        if value.children().any(|n| !n.is_text()) {
            return Err(bad("a DigestValue of the manifest"));
        }
        listed.push((uri.to_owned(), value.text().unwrap_or_default().to_owned()));
    }
    Ok(listed)
}

/// A name as a URI reference (RFC 3986 §2.1), `/` kept.
pub(crate) fn percent(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parser compares each attribute of an element with all others: a megabyte of them is minutes of work.
    #[test]
    fn what_is_slow_to_parse_is_refused_at_once() {
        let attributes: String = (0..90_000).map(|i| format!(" a{i}=''")).collect();
        let namespaces: String = (0..60_000).map(|i| format!(" xmlns:a{i}='u'")).collect();
        for text in [format!("<a{attributes}/>"), format!("<a{namespaces}/>")] {
            let begun = std::time::Instant::now();
            assert!(text.len() as u64 <= MAX_XML && parse(&text).is_none(), "{}", &text[..20]);
            assert!(begun.elapsed().as_secs() < 5, "{} {:?}", &text[..20], begun.elapsed());
        }
        let nested = format!("{}{}", "<a>".repeat(60_000), "</a>".repeat(60_000));
        assert!(parse(&nested).is_some(), "deep is not slow, and needs no stack");
        assert!(parse("<a b='\"\"\"' c=\"'=''=''=''=''=''=''=''=''='\"><d e='f>'/></a>").is_some());
    }
}
