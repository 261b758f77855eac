//! A provider of OAuth2 tokens, as strict as the strictest: refresh tokens are good once, and one
//! that comes a second time ends the grant. Its access tokens are JWTs that a real Dovecot checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring as provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::firm::ALICE;
use crate::net;
use crate::tls::Ca;

/// With what the JWTs are signed; Dovecot has it too.
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
/// Id of the application.
pub const CLIENT_ID: &str = "liaison-tests";
/// Its secret.
pub const CLIENT_SECRET: &str = "canary-client-secret";
/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// How the provider behaves from the next request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mood {
    /// As it should.
    #[default]
    Good,
    /// 429, with this Retry-After.
    Limited {
        /// Seconds.
        retry_after: u32,
    },
    /// `invalid_grant` to every refresh.
    NoGrant,
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// The refresh token that is good.
    grant: Option<String>,
    /// Those that were.
    used: BTreeSet<String>,
    /// A used refresh token came again.
    reused: u32,
    /// The next so many access tokens have ended when they are given.
    ended: u32,
    /// Browser logins: code -> challenge and redirect.
    codes: BTreeMap<String, (String, String)>,
    /// Device codes, and how often each was asked for.
    devices: BTreeMap<String, u32>,
    /// Everything that must be nowhere.
    secrets: Vec<String>,
    /// `grant_type` of each request that reached the token endpoint.
    requests: Vec<String>,
    count: u64,
}

/// The provider; ends with the test's process.
#[derive(Debug)]
pub struct TokenEndpoint {
    port: u16,
    /// The CA of its certificate.
    pub ca: Ca,
    state: Arc<Mutex<State>>,
    dir: TempDir,
}

impl TokenEndpoint {
    /// Starts it, and writes what Dovecot needs to check its tokens.
    ///
    /// # Panics
    /// If it cannot listen.
    pub fn start() -> TokenEndpoint {
        let dir = tempfile::Builder::new()
            .prefix("liaison-tokens-")
            .tempdir()
            .expect("temp dir");
        let ca = Ca::create(dir.path());
        write_keys(dir.path());
        let config = Arc::new(server_config(&ca));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listen");
        let port = listener.local_addr().expect("the port").port();
        let state = Arc::new(Mutex::new(State::default()));
        let served = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, state) = (config.clone(), served.clone());
                // One that breaks off is a client's affair.
                thread::spawn(move || drop(serve(stream, config, &state)));
            }
        });
        TokenEndpoint {
            port,
            ca,
            state,
            dir,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lines for the end of `dovecot.conf`: these mechanisms, checked without asking anybody.
    pub fn dovecot_config(&self, mechanisms: &str) -> String {
        format!(
            "auth_mechanisms = plain login {mechanisms}\n\
             passdb {{\n  driver = oauth2\n  mechanisms = xoauth2 oauthbearer\n  args = {}\n}}\n",
            self.dir.path().join("oauth2.conf.ext").display()
        )
    }

    /// Keys of an `[[oauth]]` for this provider.
    pub fn settings(&self) -> String {
        let base = format!("https://localhost:{}", self.port);
        format!(
            "client_id = \"{CLIENT_ID}\"\nscopes = [\"mail\", \"offline_access\"]\n\
             token_url = \"{base}/token\"\ndevice_url = \"{base}/device\"\n\
             authorize_url = \"{base}/authorize\"\ntls.ca_file = \"{}\"\n",
            self.ca.ca_file.display()
        )
    }

    /// Behaves so from now on.
    pub fn mood(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// The next so many access tokens have ended when they are given, though they are said to
    /// live for an hour.
    pub fn give_ended(&self, count: u32) {
        self.state().ended = count;
    }

    /// The grant is withdrawn: the person changed a password, an administrator revoked it.
    pub fn revoke(&self) {
        let mut state = self.state();
        let grant = state.grant.take();
        state.used.extend(grant);
    }

    /// How many requests of this `grant_type` (its last word) the token endpoint got.
    pub fn requests(&self, grant_type: &str) -> usize {
        let state = self.state();
        let of_type = |found: &&String| found.ends_with(grant_type);
        state.requests.iter().filter(of_type).count()
    }

    /// How often a refresh token came that had been replaced.
    pub fn reused(&self) -> u32 {
        self.state().reused
    }

    /// All tokens, codes and secrets so far: none may be in the clear anywhere.
    pub fn secrets(&self) -> Vec<String> {
        let mut all = self.state().secrets.clone();
        all.push(CLIENT_SECRET.to_owned());
        all
    }

    /// The person's browser: agrees at the address that the command printed, and comes back to it.
    ///
    /// # Panics
    /// If the address lacks something, or nobody listens where it leads.
    pub fn agree(&self, url: &str) {
        let (_, query) = url.split_once('?').expect("a query");
        let asked = fields(query);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT_ID);
        assert_eq!(asked["code_challenge_method"], "S256");
        let redirect = asked["redirect_uri"].clone();
        let code = {
            let mut state = self.state();
            let code = state.new_secret("code");
            let challenge = asked["code_challenge"].clone();
            let known = (challenge, redirect.clone());
            state.codes.insert(code.clone(), known);
            code
        };
        let port = redirect.trim_end_matches('/').rsplit(':').next();
        let port = port.and_then(|port| port.parse().ok()).expect("a port");
        // As browsers do, for an icon.
        get(port, "/favicon.ico");
        let page = get(port, &format!("/?code={code}&state={}", asked["state"]));
        assert!(page.contains("200 OK"), "{page}");
    }
}

impl State {
    fn new_secret(&mut self, kind: &str) -> String {
        self.count += 1;
        let secret = format!("canary-{kind}-{}-{}", std::process::id(), self.count);
        self.secrets.push(secret.clone());
        secret
    }

    fn tokens(&mut self, refresh: bool) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let ended = self.ended > 0;
        self.ended = self.ended.saturating_sub(1);
        let end = if ended { now - 60 } else { now + 3_600 };
        self.count += 1;
        let access = jwt(ALICE, now - 120, end, self.count);
        self.secrets.push(access.clone());
        let mut tokens = json!({
            "access_token": access, "token_type": "Bearer", "expires_in": 3_600,
        });
        if refresh {
            let grant = self.new_secret("refresh");
            tokens["refresh_token"] = json!(grant);
            self.used.extend(self.grant.replace(grant));
        }
        tokens
    }

    fn token(&mut self, form: &BTreeMap<String, String>) -> (u16, Value) {
        let kind = form.get("grant_type").cloned().unwrap_or_default();
        self.requests.push(kind.clone());
        if let Mood::Limited { .. } = self.mood {
            return (429, json!({ "error": "invalid_grant" }));
        }
        let error = |word: &str| (400, json!({ "error": word }));
        if form.get("client_id").map(String::as_str) != Some(CLIENT_ID) {
            return error("invalid_client");
        }
        let given = |name: &str| form.get(name).cloned().unwrap_or_default();
        match kind.as_str() {
            "refresh_token" => {
                let token = given("refresh_token");
                if self.used.contains(&token) {
                    self.reused += 1;
                    self.grant = None;
                }
                let good = self.grant.as_deref() == Some(token.as_str());
                if self.mood == Mood::NoGrant || !good {
                    return (
                        400,
                        json!({ "error": "invalid_grant",
                            "error_description": format!("{token} is no grant") }),
                    );
                }
                (200, self.tokens(true))
            }
            "authorization_code" => {
                let Some((challenge, redirect)) = self.codes.remove(&given("code")) else {
                    return error("invalid_grant");
                };
                let shown = Sha256::digest(given("code_verifier").as_bytes());
                if URL_SAFE_NO_PAD.encode(shown) != challenge || given("redirect_uri") != redirect {
                    return error("invalid_grant");
                }
                self.mood = Mood::Good;
                (200, self.tokens(true))
            }
            "urn:ietf:params:oauth:grant-type:device_code" => {
                match self.devices.get_mut(&given("device_code")) {
                    None => error("expired_token"),
                    // The person takes a moment.
                    Some(asked) if *asked == 0 => {
                        *asked += 1;
                        error("authorization_pending")
                    }
                    Some(_) => {
                        self.devices.remove(&given("device_code"));
                        self.mood = Mood::Good;
                        (200, self.tokens(true))
                    }
                }
            }
            "client_credentials" if given("client_secret") == CLIENT_SECRET => {
                (200, self.tokens(false))
            }
            "client_credentials" => (401, json!({ "error": "invalid_client" })),
            _ => error("unsupported_grant_type"),
        }
    }

    fn answer(&mut self, path: &str, form: &BTreeMap<String, String>) -> (u16, Value) {
        match path {
            "/token" => self.token(form),
            "/device" => {
                let code = self.new_secret("device");
                self.devices.insert(code.clone(), 0);
                let told = json!({
                    "device_code": code, "user_code": "WDJB-MJHT", "interval": 1,
                    "verification_uri": "https://localhost/code", "expires_in": 300,
                });
                (200, told)
            }
            _ => (404, json!({})),
        }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(net::TIMEOUT))?;
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let (path, body) = request(&mut stream)?;
    let (status, answer, limited) = {
        let mut state = state.lock().unwrap();
        let (status, answer) = state.answer(&path, &fields(&body));
        (status, answer.to_string(), state.mood)
    };
    let wait = match limited {
        Mood::Limited { retry_after } if status == 429 => format!("Retry-After: {retry_after}\r\n"),
        _ => String::new(),
    };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{wait}Content-Length: {}\r\n\
         Connection: close\r\n\r\n{answer}",
        answer.len()
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Path and body of a request.
fn request(stream: &mut impl Read) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let length = name.eq_ignore_ascii_case("content-length");
                length.then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= length.unwrap_or(0) {
                let path = head.split(' ').nth(1).unwrap_or_default();
                return Ok((path.to_owned(), body.to_owned()));
            }
        }
        let count = stream.read(&mut part)?;
        if count == 0 || bytes.len() > REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&part[..count]);
    }
}

/// One request to a loopback listener, as a browser makes it.
fn get(port: u16, target: &str) -> String {
    let mut stream = net::connect(port).expect("connect to the command");
    write!(stream, "GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").expect("ask");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Fields of a form or query.
fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|field| field.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decoded(value)))
        .collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// RFC 7519, HS256.
fn jwt(email: &str, issued: i64, end: i64, count: u64) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = part(&json!({
        "email": email, "sub": email, "iat": issued, "exp": end, "jti": count.to_string(),
    }));
    let signed = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY);
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// What Dovecot checks tokens with, readable for the user that it runs as.
fn write_keys(dir: &Path) {
    let keys = dir.join("jwt/default/HS256");
    fs::create_dir_all(&keys).expect("make the folder of the keys");
    fs::write(keys.join("default"), STANDARD.encode(KEY)).expect("write the key");
    let config = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/jwt/\n\
         username_attribute = email\n",
        dir.display()
    );
    fs::write(dir.join("oauth2.conf.ext"), config).expect("write oauth2.conf.ext");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir, open).expect("open the folder");
}

fn server_config(ca: &Ca) -> ServerConfig {
    let certificates = CertificateDer::pem_file_iter(&ca.cert_file)
        .expect("read the certificate")
        .map(|certificate| certificate.expect("a PEM certificate"))
        .collect();
    let key = PrivateKeyDer::from_pem_file(&ca.key_file).expect("read the key");
    ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .expect("a usable certificate")
}
