use super::*;
use crate::model::{Edition, Kind, grammar};

fn breaches(kind: Kind, element: &str, children: &str) -> Vec<Breach<usize>> {
    let children: Vec<&str> = children.split_whitespace().collect();
    let rule = grammar(kind, Edition::E104).rule(element).unwrap();
    let (breaches, complete) = rule.automaton.breaches(children.iter().copied().enumerate(), 100);
    assert!(complete);
    assert_eq!(breaches.is_empty(), rule.automaton.matches(children.iter().copied()), "{children:?}");
    breaches
}

#[test]
fn every_model_fits_and_is_deterministic() {
    for kind in Kind::ALL {
        for edition in Edition::ALL {
            let grammar = grammar(kind, edition);
            for name in grammar.elements() {
                let automaton = &grammar.rule(name).unwrap().automaton;
                assert!(automaton.names.len() <= 64, "{name}");
                let states = automaton.follow.iter().chain([&automaton.first]);
                for set in states {
                    let mut names: Vec<_> = (0..automaton.names.len())
                        .filter(|position| set & bit(*position) != 0)
                        .map(|position| automaton.names[position])
                        .collect();
                    let all = names.len();
                    names.sort_unstable();
                    names.dedup();
                    assert_eq!(names.len(), all, "{name} is ambiguous, which XML forbids");
                }
            }
        }
    }
}

#[test]
fn says_what_is_missing_moved_or_repeated() {
    let head = "發文機關 函類別 地址 聯絡方式 受文者 發文日期 發文字號";
    assert_eq!(breaches(Kind::Letter, "函", &format!("{head} 主旨 正本")), []);
    assert_eq!(
        breaches(Kind::Letter, "函", &format!("{head} 正本")),
        [Breach::Missing { before: Some(7), names: vec!["主旨"], after: Some(6) }]
    );
    assert_eq!(
        breaches(Kind::Letter, "函", &format!("{head} 主旨")),
        [Breach::Missing { before: None, names: vec!["正本"], after: Some(7) }]
    );
    assert!(matches!(
        breaches(Kind::Letter, "函", &format!("{head} 主旨 主旨 正本"))[..],
        [Breach::Repeated { child: 8, .. }]
    ));
    // a pair that changed places is one breach, not a missing and a surplus one
    let swapped =
        breaches(Kind::Letter, "函", "發文機關 地址 函類別 聯絡方式 受文者 發文日期 發文字號 主旨 正本");
    assert!(matches!(swapped[..], [Breach::Order { child: 2, .. }]), "{swapped:?}");
    assert!(matches!(
        breaches(Kind::Letter, "函", &format!("{head} 主旨 正本 年度分類號"))[..],
        [Breach::Foreign { child: 9, .. }]
    ));
    assert_eq!(
        breaches(Kind::Roster, "交換表單", "全銜 機關代碼 單位名 機關代碼 全銜 機關代碼 含附件"),
        [Breach::Missing { before: Some(4), names: vec!["單位代碼"], after: Some(3) }]
    );
    assert_eq!(breaches(Kind::Letter, "正本", "").len(), 1);
    assert_eq!(breaches(Kind::Letter, "副本", ""), []);
}

#[test]
fn order_within_an_entry() {
    let roster = |children: &str| {
        let found = breaches(Kind::Roster, "交換表單", children);
        found
            .into_iter()
            .map(|breach| match breach {
                Breach::Order { child, late, .. } => format!("{child} before {}", late.unwrap_or_default()),
                Breach::Missing { before, names, .. } => format!("{before:?} lacks {}", names.join(" ")),
                other => format!("{other:?}"),
            })
            .collect::<Vec<_>>()
            .join("; ")
    };
    let first = "全銜 機關代碼 含附件";
    assert_eq!(roster(&format!("{first} 全銜 含附件 機關代碼 {first}")), "5 before 含附件");
    assert_eq!(roster(&format!("單位名 單位代碼 機關代碼 {first}")), "2 before 單位代碼");
    assert_eq!(roster(&format!("{first} 全銜 機關代碼 本別 含附件")), "6 before 本別");
    assert_eq!(roster("姓名 機關代碼 單位代碼 職稱"), "3 before 機關代碼");
    // what another entry has is missing all the same
    assert_eq!(roster("全銜 含附件 機關代碼 全銜 含附件"), "2 before 含附件; Some(4) lacks 機關代碼");
    // a code in front of its name could belong to either side, a second 含附件 belongs to nobody
    assert_eq!(roster("機關代碼 全銜"), "Some(0) lacks 姓名; None lacks 機關代碼");
    assert_eq!(roster("全銜 機關代碼 含附件 含附件 全銜 機關代碼"), "Some(3) lacks 姓名 機關代碼");
    assert!(matches!(
        breaches(
            Kind::Consultation,
            "簽稿會核單",
            "發文機關 案情摘要 承辦單位 受會單位 收會時間 會核意見 會畢時間 受會單位 會核意見 收會時間 會畢時間"
        )[..],
        [Breach::Order { child: 5, late: Some("收會時間"), .. }]
    ));
}

#[test]
fn a_long_flat_list_is_matched_in_linear_time() {
    let children = vec!["全銜"; 1_000_000];
    let rule = grammar(Kind::Letter, Edition::E104).rule("正本").unwrap();
    assert!(rule.automaton.matches(children.iter().copied()));
    assert_eq!(rule.automaton.breaches(children.iter().copied().enumerate(), 100), (vec![], true));
    let wrong = vec!["職稱"; 1_000_000];
    assert_eq!(rule.automaton.breaches(wrong.iter().copied().enumerate(), 100).0.len(), 100);
}
