//! `plugin list|inspect|test|accept`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::Plugin as Command;
use super::display::{at, facts, items, safe, safe_lines, table, wrapped};
use super::{ATTENTION, Done, FAILURE, Failure, USAGE, access};
use crate::config::{Config, config_path};
use crate::plugin::{Engine, LoadError, Plugin, cases, parse_manifest};

pub(super) async fn run(
    config: Option<&Path>,
    command: Command,
    as_json: bool,
) -> Result<Done, Failure> {
    let file = config_path(config);
    match command {
        Command::List => list(config, &file, as_json).await,
        Command::Inspect { plugin } => {
            let folder = folder(&file, &plugin)?;
            let value = blocking(move || inspect(&folder)).await?;
            Ok(match as_json {
                true => Done::json(&value),
                false => Done::text(inspected(&value)),
            })
        }
        Command::Test { plugin, cases } => {
            let folder = folder(&file, &plugin)?;
            let results = blocking(move || test(&folder, cases)).await?;
            let failed = results.iter().filter(|result| !result.passed()).count();
            let value = json!({ "cases": results, "failed": failed });
            let done = match as_json {
                true => Done::json(&value),
                false => Done::text(tested(&value, &results)),
            };
            Ok(done.code(if failed == 0 { 0 } else { FAILURE }))
        }
        Command::Accept { plugin, why } => accept(config, &file, plugin, why, as_json).await,
        Command::Parked | Command::Unpark { .. } | Command::Resume { .. } => Err(Failure::new(
            USAGE,
            "this is a command of the API".to_owned(),
        )),
    }
}

/// Accepts the component that lies in the folder now, after showing what it may do.
async fn accept(
    config: Option<&Path>,
    file: &Path,
    name: String,
    why: Option<String>,
    as_json: bool,
) -> Result<Done, Failure> {
    let loaded = access::load(file)?;
    let wanted = loaded.plugin(&liaison_core::ids::PluginName::from(name.as_str()));
    let Some(wanted) = wanted else {
        let file = loaded.file.display();
        let message = format!("{file} has no [[plugin]] named `{name}`");
        return Err(Failure::new(FAILURE, message));
    };
    let folder = loaded.plugin_folder(wanted);
    let value = blocking(move || inspect(&folder)).await?;
    let digest = at(&value, "/digest");
    if let Some(pinned) = &wanted.digest {
        let message = match *pinned == digest {
            true => format!("{digest} is the component that the configuration pins"),
            false => format!(
                "the configuration pins {pinned}: set digest = \"{digest}\" in [[plugin]] {name} \
                 of {}, then run `liaison reload`",
                loaded.file.display()
            ),
        };
        return Err(Failure::new(FAILURE, message));
    }
    let arguments = json!({ "name": name, "digest": digest, "why": why });
    let (answer, wording) = access::ask(config, "plugin-accept", arguments).await?;
    if as_json {
        return Ok(Done::json(&answer));
    }
    let mut out = format!("{name} {}\n", at(&value, "/version"));
    out.push_str(&capabilities(&value));
    out.push_str(&super::show::answer(
        "plugin-accept",
        &wording.of(&answer),
        &wording,
    ));
    Ok(Done::text(out))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::of(FAILURE, &error))?
}

async fn list(config: Option<&Path>, file: &Path, as_json: bool) -> Result<Done, Failure> {
    let loaded = access::load(file)?;
    let (states, wording) = access::ask(config, "plugins-list", json!({})).await?;
    let rows: Vec<Value> = loaded
        .plugins
        .iter()
        .map(|plugin| row(&loaded, plugin, &states))
        .collect();
    let trouble = rows.iter().any(|row| {
        row.get("problem").is_some_and(|p| !p.is_null()) || row.pointer("/suspended/why").is_some()
    });
    let value = json!({ "plugins": rows, "count": rows.len() });
    let done = match as_json {
        true => Done::json(&value),
        false => Done::text(table(
            items(&wording.of(&value), "/plugins"),
            &[
                ("PLUGIN", "/plugin"),
                ("VERSION", "/version"),
                ("ENABLED", "/enabled"),
                ("MAIL", "/modes/mail"),
                ("HOLDS", "/modes/holds"),
                ("STRIKES", "/strikes"),
                ("SUSPENDED", "/suspended/why"),
                ("PROBLEM", "/problem"),
            ],
        )),
    };
    Ok(done.code(if trouble { ATTENTION } else { 0 }))
}

fn row(config: &Config, plugin: &crate::config::PluginConfig, states: &Value) -> Value {
    let folder = config.plugin_folder(plugin);
    let of_it = |list: &str, key: &str| {
        let mut rows = items(states, list).iter();
        rows.find(|row| at(row, key) == plugin.name.as_str())
    };
    let state = of_it("/plugins", "/plugin");
    let (version, problem) = match manifest(&folder) {
        Ok(manifest) => (Some(manifest.plugin.version), None),
        Err(failure) => (None, Some(failure.message)),
    };
    let trouble = of_it("/troubles", "/plugin").and_then(|row| row.get("why"));
    let problem = trouble.cloned().or(problem.map(Value::from));
    let granted = json!({
        "mail": plugin.modes.mail.as_str(),
        "records": plugin.modes.records.as_str(),
        "tasks": plugin.modes.tasks.as_str(),
        "holds": plugin.modes.holds.as_str(),
        "mailbox": plugin.modes.mailbox.as_str(),
    });
    let running = of_it("/running", "/name").and_then(|row| row.get("modes"));
    json!({
        "plugin": plugin.name,
        "version": version,
        "enabled": plugin.enabled,
        "modes": running.unwrap_or(&granted),
        "granted": granted,
        "folder": folder,
        "strikes": state.and_then(|state| state.get("strikes")),
        "suspended": state.and_then(|state| state.get("suspended")),
        "problem": problem,
    })
}

fn manifest(folder: &Path) -> Result<liaison_core::manifest::Manifest, Failure> {
    let file = folder.join("plugin.toml");
    let text = std::fs::read_to_string(&file).map_err(|source| LoadError::Read {
        file: file.display().to_string(),
        source,
    });
    text.and_then(|text| parse_manifest(&text, &file))
        .map_err(|error| Failure::of(FAILURE, &error))
}

/// The folder of a plugin: the one given, or that of the configured plugin with this name.
fn folder(config: &Path, plugin: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(plugin);
    if path.join("plugin.toml").is_file() {
        return Ok(path);
    }
    if plugin.contains('/') {
        let message = format!("{plugin} is no folder of a plugin: plugin.toml is not there");
        return Err(Failure::new(FAILURE, message));
    }
    let config = access::load(config)?;
    let name = liaison_core::ids::PluginName::from(plugin);
    match config.plugin(&name) {
        Some(found) => Ok(config.plugin_folder(found)),
        None => Err(Failure::new(
            FAILURE,
            format!(
                "{} has no [[plugin]] named `{plugin}`, and there is no such folder",
                config.file.display()
            ),
        )),
    }
}

fn open(folder: &Path) -> Result<Plugin, Failure> {
    // A cache of its own: this user need not be the daemon's.
    let cache = std::env::temp_dir().join(format!("liaison-compiled-{}", std::process::id()));
    let opened = Engine::start(&cache)
        .map_err(|error| Failure::of(FAILURE, &error))
        .and_then(|engine| {
            Plugin::open(&engine, folder).map_err(|error| Failure::of(FAILURE, &error))
        });
    if let Err(error) = std::fs::remove_dir_all(&cache) {
        tracing::debug!(folder = %cache.display(), %error, "not removed");
    }
    opened
}

fn inspect(folder: &Path) -> Result<Value, Failure> {
    let plugin = open(folder)?;
    Ok(json!({
        "name": plugin.name(),
        "version": plugin.manifest().plugin.version,
        "digest": plugin.digest(),
        "manifest_digest": plugin.manifest_digest(),
        "contract": plugin.contract().to_string(),
        "imports": plugin.imports(),
        "component_bytes": plugin.component_bytes(),
        "folder": plugin.folder(),
        "capabilities": plugin.manifest().capabilities(),
        "manifest": plugin.manifest(),
    }))
}

fn inspected(value: &Value) -> String {
    let head = facts(
        value,
        &[
            ("Plugin", "/name"),
            ("Version", "/version"),
            ("Contract", "/contract"),
            ("Digest", "/digest"),
            ("Bytes", "/component_bytes"),
            ("Folder", "/folder"),
            ("Imports", "/imports"),
        ],
    );
    let manifest = value.get("manifest").cloned().unwrap_or_default();
    let asks = serde_json::to_string_pretty(&manifest).unwrap_or_default();
    let capabilities = capabilities(value);
    format!(
        "{head}\nIn plain words\n{capabilities}\nIts manifest\n{}",
        safe_lines(&asks, "  ")
    )
}

fn capabilities(value: &Value) -> String {
    let each = items(value, "/capabilities").iter();
    each.map(|said| wrapped(&format!("- {}", at(said, "")), 2))
        .collect()
}

fn test(folder: &Path, cases: Option<PathBuf>) -> Result<Vec<cases::CaseResult>, Failure> {
    let plugin = open(folder)?;
    let usual = || {
        let inside = folder.join("tests/cases");
        if inside.is_dir() {
            inside
        } else {
            folder.join("cases")
        }
    };
    let path = cases.unwrap_or_else(usual);
    cases::run(&plugin, &path).map_err(|error| Failure::of(FAILURE, &error))
}

fn tested(value: &Value, results: &[cases::CaseResult]) -> String {
    let mut out = String::new();
    for result in results {
        let word = if result.passed() { "ok" } else { "FAILED" };
        let steps = result.steps.len();
        let calls = || result.steps.iter().flat_map(|step| &step.calls);
        let fuel = calls().map(|call| call.fuel_used).max().unwrap_or(0);
        let budget = calls().map(|call| call.fuel_budget).max().unwrap_or(0);
        let memory = calls().map(|call| call.peak_memory).max().unwrap_or(0) / 1024;
        let file = safe(&result.file);
        let _ = writeln!(
            out,
            "{word:<7} {file} ({steps} steps; most per call: {fuel} of {budget} fuel, {memory} KiB)"
        );
        if let Some(problem) = &result.problem {
            out.push_str(&safe_lines(problem, "        "));
        }
        for step in &result.steps {
            if let Some(difference) = &step.difference {
                let _ = writeln!(out, "        step {} ({})", step.number, safe(&step.event));
                out.push_str(&safe_lines(difference, "          "));
            }
        }
    }
    let _ = writeln!(
        out,
        "{} cases, {} failed",
        results.len(),
        at(value, "/failed")
    );
    out
}
