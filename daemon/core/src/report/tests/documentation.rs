//! The reports as the manual shows them.

use super::*;

/// Every report with what it is asked with in the manual.
fn asked(world: &World) -> Vec<(&'static ReportSpec, String, Params)> {
    let params = |name: &str| {
        let mut params = today();
        let mut options = String::new();
        match name {
            "whitespace" => {
                params.account = Some("mills".to_owned());
                options = " --account \"Northern Mills\"".to_owned();
            }
            "sign-off" => {
                params.account = Some("mills".to_owned());
                params.amount = Some(5_000_000);
                options = " --account \"Northern Mills\" --amount 50000".to_owned();
            }
            "deal" => {
                params.deal = Some("o1".to_owned());
                options = " --deal \"Portal for research\"".to_owned();
            }
            "exposure" => {
                params.product = Some("portal".to_owned());
                options = " --product \"Customer portal\"".to_owned();
            }
            "sent" => {
                params.contact = Some(("erin".to_owned(), vec!["erin@mills.example".to_owned()]));
                options = " --contact erin@mills.example".to_owned();
            }
            _ => {}
        }
        (options, params)
    };
    assert!(!world.records.is_empty());
    all()
        .iter()
        .map(|spec| {
            let (options, params) = params(spec.name);
            (spec, options, params)
        })
        .collect()
}

fn manual() -> String {
    let world = sample();
    let mut out = String::from(include_str!("manual.md"));
    for (spec, options, params) in asked(&world) {
        let report = world.ask(spec.name, &params);
        let given: Vec<Given> = Given::ALL
            .into_iter()
            .filter(|given| options.contains(&format!("--{} ", given.word())))
            .collect();
        assert_eq!(spec.check(&given), Ok(()), "{}", spec.name);
        let takes = spec.needs.iter().chain(spec.takes);
        let takes: Vec<String> = takes.map(|one| format!("`--{}`", one.word())).collect();
        let days = spec
            .days
            .map_or(String::new(), |days| format!(" N is {days} unless given."));
        out.push_str(&format!(
            "\n## {}\n\n{}.{days}\nHeeds {}.\n\n```console\n$ liaison report {}{options}\n{}```\n",
            spec.name,
            spec.question("N days"),
            takes.join(", "),
            spec.name,
            render::text(&report),
        ));
    }
    let deals = world.ask("pipeline", &for_account("mills"));
    out.push_str(&format!(
        "\n## The same as CSV and JSON\n\n```console\n$ liaison report pipeline --account \
         \"Northern Mills\" --csv\n{}```\n\n```console\n$ liaison --json report silent\n{}\n```\n",
        render::csv(&deals).replace("\r\n", "\n"),
        serde_json::to_string_pretty(&World::default().ask("silent", &today())).unwrap(),
    ));
    out
}

/// Run with `LIAISON_WRITE_DOCS=1` to write the manual anew.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the manual is a file beside the source"
)]
fn the_manual_shows_what_the_reports_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reports.md");
    let manual = manual();
    if std::env::var("LIAISON_WRITE_DOCS").is_ok() {
        std::fs::write(path, &manual).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    for (at, (is, was)) in manual.lines().zip(written.lines()).enumerate() {
        assert_eq!(
            is,
            was,
            "docs/reports.md, line {}: LIAISON_WRITE_DOCS=1 writes it anew",
            at + 1
        );
    }
    assert_eq!(
        manual.len(),
        written.len(),
        "LIAISON_WRITE_DOCS=1 writes docs/reports.md anew"
    );
}
