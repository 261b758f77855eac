use std::path::Path;

use super::*;

const SMALLEST: &str = r#"
manifest = 1
[plugin]
name = "nudge"
version = "0.1.0"
requires = "0.1.0"
summary = "Reminds."
[events]
subscribe = ["message-received"]
"#;

#[test]
fn errors_of_a_manifest_carry_file_line_column_and_the_nearest_name() {
    let cases = [
        (
            "summary = \"Reminds.\"",
            "sumary = \"Reminds.\"",
            "plugin.toml:7:1",
            "`summary`?",
        ),
        (
            "message-received",
            "mesage-received",
            "plugin.toml:9:14",
            "`message-received`?",
        ),
        (
            "0.1.0\"\nsummary",
            "0.1\"\nsummary",
            "plugin.toml:6:12",
            "three numbers",
        ),
        ("manifest = 1", "manifest = [", "plugin.toml:", ""),
    ];
    for (from, to, place, hint) in cases {
        let text = SMALLEST.replace(from, to);
        let said = parse_manifest(&text, Path::new("plugin.toml"))
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with(place) && said.contains(hint),
            "{to}: {said}"
        );
    }
    let text = SMALLEST.replace("0.1.0\"\nsummary", "0.3.0\"\nsummary");
    let said = parse_manifest(&text, Path::new("plugin.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("needs contract 0.3.0, this daemon speaks 0.1.0"),
        "{said}"
    );
    assert!(parse_manifest(SMALLEST, Path::new("plugin.toml")).is_ok());
}
