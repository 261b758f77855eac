//! `liaison auth`: logins by OAuth2.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::access::Logins;
use super::args::Auth;
use super::display::{items, safe, table};
use super::{Done, FAILURE, Failure};
use crate::oauth::Begun;
use crate::supervisor::Stop;

/// Columns of a list of logins.
pub(super) const COLUMNS: &[(&str, &str)] = &[
    ("LOGIN", "/name"),
    ("STATE", "/state"),
    ("TOKEN ENDS", "/token_ends"),
    ("AGREED", "/consented"),
    ("WHY", "/why"),
    ("MEND BY", "/command"),
];
/// Longest request of a browser that is read, in bytes: an address, and headers.
const REQUEST_BYTES_MAX: usize = 32 * 1024;
/// How long a browser may take to say what it wants.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// What the browser shows.
const PAGE_DONE: &str = "Liaison has the answer. Look at the terminal; this window can be closed.";
/// What it shows when it asks for something else, such as an icon.
const PAGE_OTHER: &str = "There is nothing here.";

pub(super) async fn run(
    config: Option<&Path>,
    command: Auth,
    as_json: bool,
) -> Result<Done, Failure> {
    let mut logins = Logins::begin(config)?;
    let answer = match command {
        Auth::Login {
            name,
            device,
            browser,
        } => login(&mut logins, &name, (device, browser)).await?,
        Auth::Status => {
            let answer = logins.call("auth-status", json!({})).await?;
            return Ok(match as_json {
                true => Done::json(&answer),
                false => Done::text(listed(&answer)),
            });
        }
        Auth::Forget { name } => logins.call("auth-forget", json!({ "name": name })).await?,
    };
    if as_json {
        return Ok(Done::json(&answer));
    }
    let text = |pointer| {
        safe(
            answer
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )
    };
    let mut out = format!("{}\n", text("/changed"));
    let undo = text("/undo");
    if !undo.is_empty() {
        let _ = writeln!(out, "Undo: {undo}");
    }
    Ok(Done::text(out))
}

fn listed(answer: &Value) -> String {
    let rows = items(answer, "/logins");
    let mut out = match rows.is_empty() {
        true => "There is no [[oauth]] in the configuration.\n".to_owned(),
        false => table(rows, COLUMNS),
    };
    if answer.get("running") == Some(&json!(false)) {
        out.push_str("No daemon runs: access tokens are not known.\n");
    }
    out
}

async fn login(
    logins: &mut Logins,
    name: &str,
    (device, browser): (bool, bool),
) -> Result<Value, Failure> {
    // Listened on before the provider is told of it; not used by a device code.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(|error| Failure::of(FAILURE, &error))?;
    let port = listener.local_addr();
    let port = port.map_err(|error| Failure::of(FAILURE, &error))?.port();
    let flow = match (device, browser) {
        (true, _) => Some("device"),
        (_, true) => Some("browser"),
        _ => None,
    };
    let redirect = format!("http://{}:{port}", Ipv4Addr::LOCALHOST);
    let arguments = json!({ "name": name, "flow": flow, "redirect": redirect });
    let begun = logins.call("auth-begin", arguments).await?;
    let begun: Begun =
        serde_json::from_value(begun).map_err(|error| Failure::of(FAILURE, &error))?;
    match begun {
        Begun::Done => Ok(json!({
            "name": name,
            "changed": format!("nothing: nobody has to agree, and `{name}` gives access tokens"),
        })),
        Begun::Device {
            session,
            user_code,
            verification_uri,
            wait_secs,
            ..
        } => {
            drop(listener);
            let (code, place) = (safe(&user_code), safe(&verification_uri));
            tell(&format!(
                "Open {place} in any browser, type the code {code}, and agree.\nWaiting for it ..."
            ))?;
            by_device(logins, &session, wait_secs).await
        }
        Begun::Browser {
            session,
            url,
            expires_in_secs,
        } => {
            tell(&format!(
                "Open this address in a browser on this machine, and agree:\n{}\nWaiting for it \
                 ... (from elsewhere: `ssh -L {port}:127.0.0.1:{port}` to this machine first)",
                safe(&url)
            ))?;
            let limit = Duration::from_secs(expires_in_secs);
            let came = timeout(limit, by_browser(logins, &session, &listener)).await;
            came.unwrap_or_else(|_| Err(Failure::new(FAILURE, "no browser came back in time")))
        }
    }
}

/// At once, and not where the answer goes.
fn tell(text: &str) -> Result<(), Failure> {
    let told = writeln!(io::stderr().lock(), "{text}");
    told.map_err(|error| Failure::of(FAILURE, &error))
}

async fn by_device(logins: &mut Logins, session: &str, wait: u64) -> Result<Value, Failure> {
    let (stop, mut wait) = (Stop::new(), wait);
    loop {
        stop.sleep(Duration::from_secs(wait.max(1))).await;
        let answer = logins
            .call("auth-go-on", json!({ "session": session }))
            .await?;
        match answer.get("state").and_then(Value::as_str) {
            Some("pending") => {
                wait = answer
                    .get("wait_secs")
                    .and_then(Value::as_u64)
                    .unwrap_or(wait);
            }
            _ => return Ok(answer),
        }
    }
}

async fn by_browser(
    logins: &mut Logins,
    session: &str,
    listener: &TcpListener,
) -> Result<Value, Failure> {
    loop {
        let (stream, _) = listener
            .accept()
            .await
            .map_err(|error| Failure::of(FAILURE, &error))?;
        // One that says nothing or nonsense is not the one we wait for.
        let Ok(Some(query)) = timeout(REQUEST_LIMIT, query_of(stream)).await else {
            continue;
        };
        let arguments = json!({ "session": session, "query": query });
        match logins.call("auth-finish", arguments).await {
            // Not the answer to our question: that one may still come.
            Err(failure) if failure.word == "arguments" => tell(&failure.message)?,
            other => return other,
        }
    }
}

/// The query of a browser's request, if it has one with a `state`; answers it either way.
async fn query_of(mut stream: TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") && bytes.len() < REQUEST_BYTES_MAX {
        let count = stream.read(&mut part).await.ok()?;
        bytes.extend_from_slice(part.get(..count)?);
        if count == 0 {
            return None;
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    let target = text
        .lines()
        .next()?
        .strip_prefix("GET ")?
        .split(' ')
        .next()?;
    let query = target.split_once('?').map(|(_, query)| query.to_owned());
    let query = query.filter(|query| query.split('&').any(|field| field.starts_with("state=")));
    let (status, page) = match &query {
        Some(_) => ("200 OK", PAGE_DONE),
        None => ("404 Not Found", PAGE_OTHER),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // What the browser shows changes nothing.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
    query
}
