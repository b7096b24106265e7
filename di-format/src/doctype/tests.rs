use super::*;

fn label(text: &str) -> &'static str {
    prolog(text, &Limits::default()).map_or_else(|refused| refused.label, |_| "")
}

fn subset(text: &str) -> &'static str {
    label(&format!("<!DOCTYPE 函 SYSTEM \"104_2_utf8.dtd\" [{text}]><函/>"))
}

#[test]
fn accepts_what_producers_write() {
    for text in [
        "",
        "<!NOTATION DI SYSTEM \"\">",
        "<!NOTATION DI PUBLIC \"x\"><!NOTATION x PUBLIC 'a' 'b' >",
        "<!ENTITY 附件0 SYSTEM \"附件 $#%.doc\" NDATA _DOC>\r\n<!-- <!ENTITY x \"y\"> ]> -->",
        "<!ENTITY\n表單\tSYSTEM 'a]>\"b.sw'\nNDATA DI\n>",
    ] {
        assert_eq!(subset(text), "", "{text}");
    }
    for text in
        ["<a/>", " \n<!-- - --><?x y?><a/>", "<?xml version='1.0'?><!DOCTYPE a><a>", "<!DOCTYPE a[]><a>"]
    {
        assert_eq!(label(text), "", "{text}");
    }
    let text = "<?xml version=\"1.0\" encoding=\"big5\" standalone='no' ?><!DOCTYPE 函 SYSTEM \"97_2.dtd\"[<!ENTITY 名單 SYSTEM \"1.sw\" NDATA di>]> <函>";
    let prolog = prolog(text, &Limits::default()).unwrap();
    let doctype = prolog.doctype.unwrap();
    assert_eq!((doctype.name.as_str(), doctype.system.as_deref()), ("函", Some("97_2.dtd")));
    assert_eq!((doctype.entities[0].file.as_str(), doctype.entities[0].notation.as_str()), ("1.sw", "di"));
    assert!(text[prolog.root..].starts_with("<函>"));
}

#[test]
fn refuses_everything_else() {
    for text in [
        "<!ENTITY a \"b\">",
        "<!ENTITY a SYSTEM \"b\">",
        "<!ENTITY a SYSTEM \"b\"NDATA c>",
        "<!ENTITY a PUBLIC \"b\" \"c\" NDATA d>",
        "<!ENTITY % a \"b\">",
        "%a;",
        "<!ELEMENT 函 ANY>",
        "<!ATTLIST 函 a CDATA \"\">",
        "<![INCLUDE[ ]]>",
        "<?x y?>",
        "<!NOTATION a>",
        "<!NOTATION a PUBLIC \"中\">",
        "text",
    ] {
        assert_eq!(subset(text), "doctype-form", "{text}");
    }
    for text in [
        "",
        " ",
        "text",
        "<",
        "<1/>",
        "</a>",
        "<!DOCTYPE a",
        "<!DOCTYPE a [",
        "<!DOCTYPE a><!DOCTYPE a><a/>",
        "<!-- -- --><a/>",
        "<!-- ",
        " <?xml version='1.0'?><a/>",
        "<?xml encoding='utf-8'?><a/>",
        "<?xml version='2.0'?><a/>",
        "<?xml version='1.0' encoding='5'?><a/>",
        "<?xml version='1.0'encoding='big5'?><a/>",
        "<?xml version='1.0' x='y'?><a/>",
        "<?xml version='1.0' standalone='no' encoding='big5'?><a/>",
        "<?xml version='1.0' standalone='maybe'?><a/>",
        "<?xml?><a/>",
        "<?x!y?><a/>",
    ] {
        assert_eq!(label(text), "malformed", "{text}");
    }
    assert_eq!(label("<!-- \u{1} --><a/>"), "character");
}
