use std::fs;
use std::path::Path;

use super::*;

/// 2026-12-01T09:00:00Z.
const TEN_IN_BERLIN: i64 = 1_796_115_600_000;

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn render(source: &str, variables: &str, zone: &str) -> Result<String, TemplateError> {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("t.txt"), source);
    Templates::new(None, Some(dir.path())).render("t", variables, zone)
}

#[test]
fn instants_are_printed_with_day_zone_and_offset() {
    let end = TEN_IN_BERLIN + 3_600_000;
    let spring = 1_774_745_100_000_i64; // 2026-03-29T00:45:00Z
    let variables = format!(
        r#"{{"s":{{"start":{TEN_IN_BERLIN},"end":{end}}},"at":{TEN_IN_BERLIN},
            "gap":{{"start":{spring},"end":{}}}}}"#,
        spring + 3_600_000
    );
    let cases = [
        (
            "{{ s | slot }}",
            "Europe/Berlin",
            "Tue 1 December 2026, 10:00-11:00 CET (UTC+1)",
        ),
        (
            "{{ s | slot }}",
            "America/St_Johns",
            "Tue 1 December 2026, 05:30-06:30 NST (UTC-3:30)",
        ),
        (
            "{{ s | slot }}",
            "Asia/Tokyo",
            "Tue 1 December 2026, 18:00-19:00 JST (UTC+9)",
        ),
        (
            "{{ at | local_time }}",
            "Asia/Kathmandu",
            "Tue 1 December 2026, 14:45 UTC+5:45",
        ),
        (
            "{{ at | local_time }}",
            "UTC",
            "Tue 1 December 2026, 09:00 UTC",
        ),
        (
            "{{ at | local_date }}",
            "Europe/Berlin",
            "Tue 1 December 2026 CET (UTC+1)",
        ),
        (
            "{{ gap | slot }}",
            "Europe/Berlin",
            "Sun 29 March 2026, 01:45 CET (UTC+1) - Sun 29 March 2026, 03:45 CEST (UTC+2)",
        ),
    ];
    for (source, zone, expected) in cases {
        assert_eq!(
            render(source, &variables, zone).unwrap(),
            expected,
            "{source} in {zone}"
        );
    }
}

#[test]
fn values_are_data_and_mistakes_are_named() {
    let kept = render("Hi {{ name }}", r#"{"name":"{{ 7*7 }} <b>{% x %}"}"#, "UTC").unwrap();
    assert_eq!(kept, "Hi {{ 7*7 }} <b>{% x %}");
    let cases = [
        (
            "one\n{{ nmae }}",
            r#"{"name":"Bob"}"#,
            "t.txt:2: it uses a variable",
        ),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
            "{}",
            "end",
        ),
        ("{{ name", "{}", "t.txt:1: syntax error"),
        ("{% include 'other' %}", "{}", "t.txt:1: syntax error"),
        ("{{ 1 | slot }}", "{}", "`start` and `end`"),
        ("x", "[1]", "no JSON object"),
    ];
    for (source, variables, part) in cases {
        let said = render(source, variables, "UTC").unwrap_err().to_string();
        assert!(said.contains(part), "{source}: {said}");
    }
    assert!(
        render("x", "{}", "Mars/Olympus")
            .unwrap_err()
            .to_string()
            .contains("Mars/Olympus")
    );
}

#[test]
fn the_firm_comes_before_the_plugin_and_nothing_comes_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (firm, plugin) = (dir.path().join("firm"), dir.path().join("plugin"));
    write(&firm.join("hello.txt"), "firm");
    write(&plugin.join("hello.txt"), "plugin");
    write(&plugin.join("only.txt"), "plugin");
    write(&plugin.join("attachments/nda.v2.pdf"), "%PDF");
    write(&plugin.join("attachments/form.PDF"), "%PDF");
    write(&plugin.join("attachments/form.docx"), "PK");
    write(&firm.join("attachments/form.pdf"), "%PDF-firm");
    write(&dir.path().join("secret.txt"), "secret");
    let templates = Templates::new(Some(&firm), Some(&plugin));
    assert_eq!(templates.render("hello", "{}", "UTC").unwrap(), "firm");
    assert_eq!(templates.render("only", "{}", "UTC").unwrap(), "plugin");
    for name in [
        "../secret",
        "..",
        "",
        "a/b",
        "/etc/passwd",
        ".hidden",
        "a\0b",
    ] {
        let said = templates.render(name, "{}", "UTC").unwrap_err().to_string();
        assert!(said.contains("is no name"), "{name}: {said}");
        assert!(templates.attachment(name).is_err(), "{name}");
    }
    let said = templates
        .render("nothing", "{}", "UTC")
        .unwrap_err()
        .to_string();
    assert!(said.contains("firm") && said.contains("plugin"), "{said}");

    let form = templates.attachment("form").unwrap();
    assert_eq!(
        (form.filename.as_str(), form.media_type),
        ("form.pdf", "application/pdf")
    );
    assert_eq!(form.bytes, b"%PDF-firm");
    assert_eq!(
        templates.attachment("nda.v2").unwrap().filename,
        "nda.v2.pdf"
    );
    let plugin_only = Templates::new(None, Some(&plugin));
    assert!(matches!(
        plugin_only.attachment("form"),
        Err(TemplateError::Ambiguous { .. })
    ));
    assert!(matches!(
        templates.attachment("none"),
        Err(TemplateError::NotFound { .. })
    ));
    fs::File::create(firm.join("attachments/big.zip"))
        .unwrap()
        .set_len((10 << 20) + 1)
        .unwrap();
    assert!(matches!(
        templates.attachment("big"),
        Err(TemplateError::TooLarge { .. })
    ));
}
