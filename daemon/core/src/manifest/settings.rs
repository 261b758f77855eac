//! Settings: what an operator may set for a plugin, checked before the plugin sees it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::validate::did_you_mean;
use super::{Manifest, Problem};

/// `[[setting]]`: one setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Type of its value.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// Value when the operator says nothing; without it the plugin does not see the setting.
    #[serde(default)]
    pub default: Option<Value>,
    /// One sentence for the operator.
    #[serde(default)]
    pub doc: String,
}

/// Type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SettingType {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Flag,
    /// A list of texts.
    Texts,
    /// Text like `3 business days` or `20 minutes`; given to the plugin as written.
    Duration,
    /// A table or a list; its inside is the plugin's to check.
    Table,
}

impl SettingType {
    fn accepts(self, value: &Value) -> Result<(), &'static str> {
        let (fits, expected) = match self {
            SettingType::Text => (value.is_string(), "must be a text"),
            SettingType::Integer => (value.is_i64(), "must be a whole number"),
            SettingType::Flag => (value.is_boolean(), "must be true or false"),
            SettingType::Texts => {
                let texts = value
                    .as_array()
                    .is_some_and(|list| list.iter().all(Value::is_string));
                (texts, "must be a list of texts")
            }
            SettingType::Duration => (
                value.as_str().is_some_and(is_duration),
                "must be a length of time like \"3 business days\", \"48 hours\" or \"20 minutes\"",
            ),
            SettingType::Table => (
                value.is_object() || value.is_array(),
                "must be a table or a list",
            ),
        };
        if fits { Ok(()) } else { Err(expected) }
    }
}

/// Whether a text is a number and a unit of time, business units included.
fn is_duration(text: &str) -> bool {
    let Some((number, unit)) = text.trim().split_once(' ') else {
        return false;
    };
    let unit = unit.trim();
    let unit = unit
        .strip_prefix("business ")
        .or_else(|| unit.strip_prefix("working "))
        .unwrap_or(unit);
    number.parse::<u32>().is_ok()
        && matches!(
            unit.strip_suffix('s').unwrap_or(unit),
            "second" | "minute" | "hour" | "day" | "week"
        )
}

impl Manifest {
    /// The settings that the plugin gets: the manifest's defaults, overlaid by the operator's.
    ///
    /// # Errors
    /// Every unknown name (with the nearest known one) and every wrong type, all at once.
    pub fn settings_with_defaults(
        &self,
        operator: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, value) in operator {
            let at = format!("settings.{name}");
            match self.settings.iter().find(|setting| setting.name == *name) {
                None => {
                    let known = self.settings.iter().map(|setting| setting.name.as_str());
                    let hint = did_you_mean(name, known);
                    let plugin = &self.plugin.name;
                    problems.push(Problem::new(
                        at,
                        format!("{plugin} has no such setting{hint}"),
                    ));
                }
                Some(setting) => {
                    if let Err(said) = setting.kind.accepts(value) {
                        problems.push(Problem::new(at, said));
                    }
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut all = operator.clone();
        for setting in &self.settings {
            if let (Some(default), false) = (&setting.default, all.contains_key(&setting.name)) {
                all.insert(setting.name.clone(), default.clone());
            }
        }
        Ok(all)
    }
}

impl Setting {
    pub(super) fn validate(&self) -> Option<Problem> {
        let at = format!("setting.{}", self.name);
        if self.name.is_empty() {
            return Some(Problem::new(at, "a setting needs a name"));
        }
        let said = self.kind.accepts(self.default.as_ref()?).err()?;
        Some(Problem::new(format!("{at}.default"), said))
    }
}
