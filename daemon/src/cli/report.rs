//! `report`: what there is to ask, and the answers as text, CSV or JSON.

use std::path::Path;

use liaison_core::report::{Report, render};
use serde_json::{Value, json};

use super::args::ReportArgs;
use super::display::{at, items, wrapped};
use super::{Done, FAILURE, Failure, USAGE, access};

pub(super) async fn run(
    config: Option<&Path>,
    args: ReportArgs,
    as_json: bool,
) -> Result<Done, Failure> {
    if args.csv && as_json {
        return Err(Failure::new(
            USAGE,
            "--csv and --json are two answers: give one of them",
        ));
    }
    let Some(name) = &args.name else {
        if args.is_asking() {
            let message = "name a report: `liaison report` alone lists them";
            return Err(Failure::new(USAGE, message));
        }
        let (answer, _) = access::ask(config, "reports", json!({})).await?;
        return Ok(match as_json {
            true => Done::json(&answer),
            false => Done::text(listed(&answer)),
        });
    };
    let (answer, _) = access::ask(config, "report", arguments(name, &args)).await?;
    if as_json {
        return Ok(Done::json(&answer));
    }
    let report: Report =
        serde_json::from_value(answer).map_err(|error| Failure::of(FAILURE, &error))?;
    Ok(Done::text(match args.csv {
        true => render::csv(&report),
        false => render::text(&report),
    }))
}

/// What the API is asked.
pub(super) fn arguments(name: &str, args: &ReportArgs) -> Value {
    json!({
        "name": name,
        "account": args.account,
        "person": args.person,
        "days": args.days,
        "period": args.period,
        "product": args.product,
        "deal": args.deal,
        "contact": args.contact,
        "amount": args.amount,
    })
}

/// The reports, each with its question and what it heeds.
pub(super) fn listed(answer: &Value) -> String {
    let mut out = String::new();
    for report in items(answer, "/reports") {
        out.push_str(&at(report, "/name"));
        out.push('\n');
        out.push_str(&wrapped(&format!("{}.", at(report, "/about")), 4));
        let options = |pointer| items(report, pointer).iter().filter_map(Value::as_str);
        let needs = options("/needs").map(|one| format!("--{one}"));
        let takes = options("/takes").map(|one| format!("[--{one}]"));
        let heeded: Vec<String> = needs.chain(takes).collect();
        if !heeded.is_empty() {
            out.push_str(&wrapped(&heeded.join(" "), 4));
        }
    }
    out.push_str(
        "\nAsk with `liaison report NAME`; --csv and --json give the same as CSV and JSON.\n",
    );
    out
}
