//! One cheap pass over the tags before a tree is built: depth, attributes and name lengths within limits.
//!
//! It does not judge well-formedness; the XML parser does, on text that this pass has found to be bounded.

use crate::Limits;

/// A limit that is passed, with the byte offset where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) label: &'static str,
    pub(crate) at: usize,
    pub(crate) limit: usize,
}

/// Looks through `text`, which begins at the root element.
pub(crate) fn scan(text: &str, limits: &Limits) -> Result<(), Passed> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(open) = find_char(text, at, '<') {
        let after = open + 1;
        let rest = bytes.get(after..).unwrap_or_default();
        let end = if rest.starts_with(b"!--") {
            find(text, after + 3, "-->").map(|end| end + 3)
        } else if rest.starts_with(b"![CDATA[") {
            find(text, after + 8, "]]>").map(|end| end + 3)
        } else if rest.starts_with(b"?") {
            find(text, after, "?>").map(|end| end + 2)
        } else if rest.starts_with(b"/") {
            depth = depth.saturating_sub(1);
            find_char(text, after, '>').map(|end| end + 1)
        } else {
            let (end, empty) = start_tag(text, after, limits)?;
            if !empty {
                depth += 1;
                if depth > limits.depth {
                    return Err(Passed { label: "too-deep", at: open, limit: limits.depth });
                }
            }
            Some(end)
        };
        match end {
            Some(end) => at = end,
            None => break,
        }
    }
    Ok(())
}

/// Scans a start tag from its name on; where it ends, and whether it is an empty-element tag.
fn start_tag(text: &str, start: usize, limits: &Limits) -> Result<(usize, bool), Passed> {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut word = start;
    let mut attributes = 0;
    let too_long = |from: usize, to: usize| {
        // bytes first, so that characters are counted only for long words
        to - from > limits.name
            && text.get(from..to).is_some_and(|name| name.chars().nth(limits.name).is_some())
    };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                attributes += 1;
                if attributes > limits.attributes {
                    return Err(Passed { label: "too-many", at, limit: limits.attributes });
                }
                let Some(end) = find_char(text, at + 1, char::from(byte)) else {
                    return Ok((bytes.len(), false));
                };
                at = end + 1;
                word = at;
            }
            b'>' | b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'/' => {
                if too_long(word, at) {
                    return Err(Passed { label: "name-too-long", at: word, limit: limits.name });
                }
                at += 1;
                word = at;
                if byte == b'>' {
                    return Ok((at, at >= 2 && bytes.get(at - 2) == Some(&b'/')));
                }
            }
            b'<' => return Ok((at, false)),
            _ => at += 1,
        }
    }
    Ok((bytes.len(), false))
}

/// Offset of the next `needle` from `from` on, which must be at a character's start.
fn find(text: &str, from: usize, needle: &str) -> Option<usize> {
    text.get(from..)?.find(needle).map(|offset| from + offset)
}

/// As [`find`], for a single character, which is faster.
fn find_char(text: &str, from: usize, needle: char) -> Option<usize> {
    text.get(from..)?.find(needle).map(|offset| from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold() {
        let limits = Limits { depth: 2, attributes: 2, name: 3, ..Limits::default() };
        assert_eq!(scan("<a><b/><b><!-- <c><c><c> --></b></a>", &limits), Ok(()));
        assert_eq!(scan("<a><b><c></c></b></a>", &limits).unwrap_err().label, "too-deep");
        assert_eq!(scan("<a x='<>' y='\"'/>", &limits), Ok(()));
        assert_eq!(scan("<a x='1' y='2' z='3'/>", &limits).unwrap_err().label, "too-many");
        assert_eq!(scan("<函函函 一二三='1'/>", &limits), Ok(()));
        assert_eq!(scan("<函函函函/>", &limits), Err(Passed { label: "name-too-long", at: 1, limit: 3 }));
        assert_eq!(scan("<a 一二三四='1'/>", &limits).unwrap_err().label, "name-too-long");
        for broken in ["<", "<a", "<a x='", "<!--", "<![CDATA[", "<?", "</", "<a<b<c"] {
            let _ = scan(broken, &limits);
        }
    }
}
