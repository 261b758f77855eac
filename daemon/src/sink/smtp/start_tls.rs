//! STARTTLS for SMTP (RFC 3207).

use super::NotSent;
use crate::dial::{ClearText, Wire};

/// Lines of one reply; more is no server of good will.
const REPLY_LINES_MAX: usize = 64;

/// Speaks up to the server's agreement and gives the stream for the handshake.
pub(super) async fn start_tls<S: Wire>(stream: S, hello: &str) -> Result<S, NotSent> {
    let mut clear = ClearText::new(stream);
    expect(&read_reply(&mut clear).await?, "220", "the greeting")?;
    let offered = ask(&mut clear, &format!("EHLO {hello}")).await?;
    expect(&offered, "250", "EHLO")?;
    let offers_tls = offered
        .iter()
        .filter_map(|line| line.get(4..))
        .any(|keyword| keyword.trim().eq_ignore_ascii_case("STARTTLS"));
    if !offers_tls {
        return Err(NotSent::lasting(
            "the server offers no STARTTLS on this port; use its TLS port, or mend the server",
        ));
    }
    expect(&ask(&mut clear, "STARTTLS").await?, "220", "STARTTLS")?;
    clear.into_inner().ok_or_else(|| {
        NotSent::lasting(
            "clear text followed the server's agreement to STARTTLS; somebody on the way put it \
             there",
        )
    })
}

async fn ask<S: Wire>(clear: &mut ClearText<S>, line: &str) -> Result<Vec<String>, NotSent> {
    let written = clear.write_line(line).await;
    written.map_err(|error| NotSent::passing(format!("the connection broke ({error})")))?;
    read_reply(clear).await
}

async fn read_reply<S: Wire>(clear: &mut ClearText<S>) -> Result<Vec<String>, NotSent> {
    let mut lines = Vec::new();
    while lines.len() < REPLY_LINES_MAX {
        let line = clear.read_line().await;
        let line =
            line.map_err(|error| NotSent::passing(format!("no reply before STARTTLS ({error})")))?;
        let more = line.as_bytes().get(3) == Some(&b'-');
        lines.push(line);
        if !more {
            return Ok(lines);
        }
    }
    Err(NotSent::passing("a reply without end before STARTTLS"))
}

fn expect(reply: &[String], code: &str, step: &str) -> Result<(), NotSent> {
    match reply.last() {
        Some(line) if line.starts_with(code) => Ok(()),
        Some(line) if line.starts_with('5') => {
            Err(NotSent::lasting(format!("{step} was refused: {line}")))
        }
        last => Err(NotSent::passing(format!(
            "{step} was not agreed to: {}",
            last.map_or("", String::as_str)
        ))),
    }
}
