//! Letters as people write them, and shapes made to hurt.

/// One shape of input.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    pub(crate) make: fn(usize) -> Vec<u8>,
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [\r\n\
<!ENTITY 表單 SYSTEM \"1150000123.sw\" NDATA DI>\r\n<!ENTITY ATTCH1 SYSTEM \"1150000123-1.pdf\" NDATA _X>\r\n\
<!NOTATION DI SYSTEM \"\">\r\n<!NOTATION _X SYSTEM \"\">\r\n]>\r\n<函>\r\n<發文機關>\r\n<全銜>範例縣政府</全銜>\r\n\
<機關代碼>376999900A</機關代碼>\r\n</發文機關>\r\n<函類別 代碼=\"函\"/>\r\n<地址>950999範例縣範例市中山路276號</地址>\r\n\
<聯絡方式>承辦人：王範例</聯絡方式>\r\n<聯絡方式>電話：089-326141#123</聯絡方式>\r\n\
<受文者>\r\n<交換表 交換表單=\"表單\">如正副本行文單位</交換表>\r\n</受文者>\r\n\
<發文日期>\r\n<年月日>中華民國115年11月21日</年月日>\r\n</發文日期>\r\n<發文字號>\r\n<字>範縣教字</字>\r\n\
<文號>\r\n<年度>115</年度>\r\n<流水號>0000123</流水號>\r\n</文號>\r\n</發文字號>\r\n<速別 代碼=\"普通件\"/>\r\n\
<密等及解密條件或保密期限>\r\n<密等/>\r\n<解密條件或保密期限></解密條件或保密期限>\r\n</密等及解密條件或保密期限>\r\n";
const SUBJECT: &str = "<附件>\r\n<文字>如說明二</文字>\r\n<附件檔名 附件名=\"ATTCH1\"/>\r\n</附件>\r\n\
<主旨>\r\n<文字>檢送「範例計畫」1份，請查照 &amp; 轉知。</文字>\r\n</主旨>\r\n";
const ORIGINAL: &str = "<正本>\r\n<全銜>甲機關</全銜>\r\n";
const TAIL: &str =
    "</正本>\r\n<副本>\r\n<全銜>丁機關</全銜>\r\n</副本>\r\n<署名>縣長　範例人</署名>\r\n</函>\r\n";
const ITEM: &str = "<條列 序號=\"一、\">\r\n<文字>依據範例部115年11月2日範部教字第1150000999號函及「範例辦法」第3條規定辦理，\
旨揭計畫自即日起受理申請，至115年12月31日止，逾期恕不受理，請轉知所屬並鼓勵踴躍參加。</文字>\r\n</條列>\r\n";

/// A 函 of about this size: its text is in numbered items of some 90 characters.
pub(crate) fn letter(size: usize) -> Vec<u8> {
    let frame = [HEAD, SUBJECT, "<段落 段名=\"說明：\">\r\n", "</段落>\r\n", ORIGINAL, TAIL];
    let fixed: usize = frame.iter().map(|part| part.len()).sum();
    let items = size.saturating_sub(fixed) / ITEM.len();
    [HEAD, SUBJECT, "<段落 段名=\"說明：\">\r\n", &ITEM.repeat(items), "</段落>\r\n", ORIGINAL, TAIL]
        .concat()
        .into_bytes()
}

/// The same in CP950 with a declaration and DTD name that say so.
pub(crate) fn in_cp950(utf8: &[u8]) -> Vec<u8> {
    let text =
        String::from_utf8(utf8.to_vec()).unwrap().replace("UTF-8", "big5").replace("_utf8.dtd", "_big5.dtd");
    encoding_rs::BIG5.encode(&text).0.into_owned()
}

fn in_original(size: usize, part: &str) -> Vec<u8> {
    [HEAD, SUBJECT, ORIGINAL, &part.repeat(size / part.len()), TAIL].concat().into_bytes()
}

fn numbered(size: usize, each: impl Fn(usize) -> String) -> String {
    let mut all = String::with_capacity(size + 64);
    for number in 0.. {
        if all.len() >= size {
            break;
        }
        all.push_str(&each(number));
    }
    all
}

fn subset(size: usize, each: impl Fn(usize) -> String) -> Vec<u8> {
    let (before, after) = HEAD.split_once("<!NOTATION DI").unwrap();
    [before, &numbered(size, each), "<!NOTATION DI", after, SUBJECT, ORIGINAL, TAIL].concat().into_bytes()
}

/// Everything that is swept.
pub(crate) const ALL: &[Shape] = &[
    Shape { name: "letter", make: letter },
    Shape { name: "letter in cp950", make: |size| in_cp950(&letter(size)) },
    Shape {
        name: "user-defined characters in cp950",
        make: |size| {
            let head = in_cp950([HEAD, SUBJECT, ORIGINAL, "<全銜>"].concat().as_bytes());
            [head, b"\xFA\x40".repeat(size / 2), in_cp950(["</全銜>", TAIL].concat().as_bytes())].concat()
        },
    },
    Shape {
        name: "roster",
        make: |size| {
            let entry = "<全銜>範例縣立範例國民中學</全銜>\r\n<機關代碼>376999901A</機關代碼>\r\n<含附件>含附件</含附件>\r\n";
            let head = "<!DOCTYPE 交換表單 SYSTEM \"104_roster_utf8.dtd\">\r\n<交換表單>\r\n";
            [head, &entry.repeat((size / entry.len()).max(1)), "</交換表單>\r\n"].concat().into_bytes()
        },
    },
    Shape {
        name: "one giant text",
        make: |size| {
            [HEAD, SUBJECT, ORIGINAL, "<全銜>", &"範例".repeat(size / 6), "</全銜>", TAIL]
                .concat()
                .into_bytes()
        },
    },
    Shape { name: "tiny known elements", make: |size| in_original(size, "<全銜/>") },
    Shape { name: "tiny unknown elements", make: |size| in_original(size, "<a/>") },
    Shape { name: "tiny elements with text", make: |size| in_original(size, "<a/>b") },
    Shape { name: "open and close", make: |size| in_original(size, "<a></a>") },
    Shape {
        name: "deep nesting",
        make: |size| {
            let nest = "<條列>".repeat(120) + &"</條列>".repeat(120);
            [HEAD, SUBJECT, "<段落>", &nest.repeat(size / nest.len()), "</段落>", ORIGINAL, TAIL]
                .concat()
                .into_bytes()
        },
    },
    Shape {
        name: "deeper than the limit",
        make: |size| [HEAD, SUBJECT, "<段落>", &"<條列>".repeat(size / 8)].concat().into_bytes(),
    },
    Shape {
        name: "32 attributes",
        make: |size| {
            let tag: String =
                std::iter::once("<全銜".to_owned()).chain((0..32).map(|n| format!(" a{n}=\"\""))).collect();
            in_original(size, &(tag + "/>"))
        },
    },
    Shape {
        name: "long names",
        make: |size| {
            let name = "名".repeat(256);
            in_original(size, &format!("<{name} {name}=\"\"/>"))
        },
    },
    Shape {
        name: "one long attribute",
        make: |size| {
            [HEAD, SUBJECT, "<段落 段名=\"", &"名 ".repeat(size / 4), "\"/>", ORIGINAL, TAIL]
                .concat()
                .into_bytes()
        },
    },
    Shape {
        name: "one long list of entities",
        make: |size| {
            String::from_utf8(letter(0))
                .unwrap()
                .replace("ATTCH1\"/>", &("ATTCH1 ".repeat(size / 7) + "\"/>"))
                .into_bytes()
        },
    },
    Shape {
        name: "entities",
        make: |size| subset(size, |n| format!("<!ENTITY e{n} SYSTEM \"{n}\" NDATA _X>")),
    },
    Shape { name: "notations", make: |size| subset(size, |n| format!("<!NOTATION n{n} SYSTEM \"\">")) },
    Shape {
        name: "repeated entities",
        make: |size| subset(size, |_| "<!ENTITY e SYSTEM \"1\" NDATA _X>".to_owned()),
    },
    Shape {
        name: "repeated notations",
        make: |size| subset(size, |_| "<!NOTATION n SYSTEM \"\">".to_owned()),
    },
    Shape { name: "wrong children", make: |size| in_original(size, "<職稱/>") },
    Shape {
        name: "wrong values",
        make: |size| {
            [HEAD, &"<速別 代碼=\"x\"/>".repeat(size / 20), SUBJECT, ORIGINAL, TAIL].concat().into_bytes()
        },
    },
    Shape {
        name: "missing children",
        make: |size| [HEAD, &"<發文日期/>".repeat(size / 15), SUBJECT, ORIGINAL, TAIL].concat().into_bytes(),
    },
    Shape { name: "bare text", make: |size| in_original(size, "<全銜/>x") },
    Shape {
        name: "extra elements",
        make: |size| {
            let tail = TAIL.replace("</函>", &("<無/>".repeat(size / 6) + "</函>"));
            [HEAD, SUBJECT, ORIGINAL, &tail].concat().into_bytes()
        },
    },
    Shape { name: "comments", make: |size| in_original(size, "<!-- - -->") },
    Shape { name: "instructions", make: |size| in_original(size, "<?a b?>") },
    Shape { name: "sections", make: |size| in_original(size, "<![CDATA[ ]]>") },
    Shape { name: "references", make: |size| in_original(size, "&#32;") },
    Shape {
        name: "references in a text",
        make: |size| {
            [HEAD, SUBJECT, ORIGINAL, "<全銜>", &"&amp;".repeat(size / 5), "</全銜>", TAIL]
                .concat()
                .into_bytes()
        },
    },
    Shape {
        name: "sections in a text",
        make: |size| {
            [HEAD, SUBJECT, ORIGINAL, "<全銜>", &"<![CDATA[a]]>".repeat(size / 13), "</全銜>", TAIL]
                .concat()
                .into_bytes()
        },
    },
    Shape {
        name: "comments in front",
        make: |size| {
            [&HEAD.replace("<函>", &("<!-- -->".repeat(size / 8) + "<函>")), SUBJECT, ORIGINAL, TAIL]
                .concat()
                .into_bytes()
        },
    },
    Shape { name: "line breaks", make: |size| in_original(size, "\r\n") },
    Shape { name: "open tags", make: |size| in_original(size, "<") },
    Shape { name: "open quotes", make: |size| in_original(size, "<a b='") },
    Shape { name: "half comments", make: |size| in_original(size, "<!--") },
    Shape { name: "namespaces", make: |size| in_original(size, "<a:a xmlns:a=\"x\"/>") },
];
