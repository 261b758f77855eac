//! A private certificate authority with one server certificate, as a small firm would have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::process::run;

/// Longer than any test run, short enough to be of no use to anybody.
const DAYS: &str = "3";

/// The files of a CA and of the certificate it issued for `localhost` and `127.0.0.1`.
#[derive(Debug, Clone)]
pub struct Ca {
    /// The CA's certificate, PEM: what goes into `tls.ca_file`.
    pub ca_file: PathBuf,
    /// The server's certificate, PEM.
    pub cert_file: PathBuf,
    /// The server's key, PEM, without a passphrase.
    pub key_file: PathBuf,
}

impl Ca {
    /// Makes a CA and a server certificate in `folder`, with new keys each time.
    ///
    /// # Panics
    /// If `openssl` is missing or fails.
    pub fn create(folder: &Path) -> Ca {
        let at = |name: &str| folder.join(name);
        // A name of its own, so that another CA is an unknown issuer and not a bad signature.
        let name = folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        openssl(folder, "req -x509 -keyout ca-key.pem -out ca.pem")
            .arg("-subj")
            .arg(&format!("/CN=Test CA of {name}"))
            .arg("-addext")
            .arg("basicConstraints=critical,CA:TRUE")
            .run();
        openssl(
            folder,
            "req -subj /CN=localhost -keyout key.pem -out request.pem",
        )
        .run();
        fs::write(
            at("server.ext"),
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n\
             extendedKeyUsage=serverAuth\n",
        )
        .expect("write server.ext");
        let issue = "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial \
                     -extfile server.ext -out cert.pem";
        run(Command::new("openssl")
            .current_dir(folder)
            .args(issue.split_whitespace())
            .args(["-days", DAYS]));
        Ca {
            ca_file: at("ca.pem"),
            cert_file: at("cert.pem"),
            key_file: at("key.pem"),
        }
    }

    /// A client that trusts this CA and nothing else.
    ///
    /// # Panics
    /// If the CA's file cannot be read.
    pub fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&self.ca_file).expect("read the CA") {
            roots
                .add(certificate.expect("a PEM certificate"))
                .expect("a usable CA");
        }
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has TLS 1.2 and 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

struct OpenSsl(Command);

/// `openssl` with words, and with a new P-256 key where it makes a request.
fn openssl(folder: &Path, words: &str) -> OpenSsl {
    let mut command = Command::new("openssl");
    command
        .current_dir(folder)
        .args(words.split_whitespace())
        .args(["-days", DAYS]);
    command.args("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split_whitespace());
    OpenSsl(command)
}

impl OpenSsl {
    fn arg(mut self, word: &str) -> OpenSsl {
        self.0.arg(word);
        self
    }

    fn run(mut self) {
        run(&mut self.0);
    }
}
