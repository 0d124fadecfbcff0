//! This machine's certificate: made once, renewed before it ends, known to peers by its fingerprint.
//!
//! A renewed certificate is signed with the key of the one before, and both are shown. A peer that pinned the old one takes
//! that as the hand-over and pins the new one.

use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    SanType, date_time_ymd,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Home;
use crate::base::clock::Millis;
use crate::base::error::io_words;
use crate::base::{Code, Error, Fingerprint, Result};
use crate::net::tls::{self, Credentials};
use crate::platform::{files, host, modes};

const DAY: Millis = 24 * 60 * 60 * 1000;
/// How long a certificate is valid.
const LIFE: Millis = 5 * 365 * DAY;
/// How long before its end it is renewed: the time in which every peer must connect once, or pair again.
const AHEAD: Millis = 60 * DAY;
/// How far clocks may be behind when they see a new one.
const TOLERANCE: Millis = DAY;
/// Who every certificate belongs to. The same in all of them, so that one can sign the next.
const SUBJECT: &str = "Loopsy";
/// What encloses a certificate in PEM.
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A certificate and its key.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    valid_until: Millis,
}

impl Certificate {
    /// What peers know it by.
    pub fn fingerprint(&self) -> Fingerprint {
        self.chain.first().map_or_else(|| Fingerprint::of(&[]), |first| Fingerprint::of(first))
    }
    /// When it ends, milliseconds since the epoch.
    pub fn valid_until(&self) -> Millis {
        self.valid_until
    }
    /// Whether it should be renewed now.
    pub fn is_due(&self, now: Millis) -> bool {
        now + AHEAD >= self.valid_until
    }
    /// What a server shows.
    pub fn credentials(&self) -> Credentials {
        Credentials { chain: self.chain.clone(), key: self.key.clone_key() }
    }

    fn read(home: &Home) -> Result<Self> {
        let unreadable = |path: PathBuf, cause: String| {
            Error::new(Code::Config, format!("{}: {cause}", path.display())).hint(
                "Restore it from a copy. Or remove the tls folder: a new certificate is then made, and every peer must be paired again.",
            )
        };
        let text = |path: PathBuf| {
            std::fs::read(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::PermissionDenied => unreadable(path, io_words(&error))
                    .hint("Make it readable for the user that runs Loopsy, and for nobody else: chown, then chmod 600."),
                _ => unreadable(path, io_words(&error)),
            })
        };
        let certificates = text(home.certificate())?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&certificates)
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| unreadable(home.certificate(), "it is not a certificate in PEM form".into()))?;
        let key = PrivateKeyDer::from_pem_slice(&text(home.certificate_key())?)
            .map_err(|_| unreadable(home.certificate_key(), "it is not a key in PEM form".into()))?;
        let first = chain.first().ok_or_else(|| unreadable(home.certificate(), "there is no certificate in it".into()))?;
        let valid_until = tls::valid_until(first).map_err(|_| unreadable(home.certificate(), "it can't be read".into()))?;
        let certificate = Self { key, valid_until, chain };
        tls::Server::new(certificate.credentials())
            .map_err(|_| unreadable(home.certificate_key(), "it is not the key of the certificate beside it".into()))?;
        Ok(certificate)
    }
}

/// The certificate of a home, made where there is none, renewed where it is due; `hostname` is a name that this machine has.
///
/// # Errors
/// `CONFIG_INVALID` where the one that is there can't be read. It is never replaced then: peers know this machine by it.
pub fn load_or_create(home: &Home, hostname: &str, now: Millis) -> Result<Certificate> {
    let _lock = lock(home)?;
    finish(home)?;
    if !home.certificate().exists() && !home.certificate_key().exists() {
        write(home, &make(hostname, now, None)?)?;
    }
    let certificate = Certificate::read(home)?;
    if certificate.is_due(now) { next(home, hostname, now) } else { Ok(certificate) }
}

/// The certificate of a home as it is; none where none was made yet.
///
/// # Errors
/// As [`load_or_create`].
pub fn load(home: &Home) -> Result<Option<Certificate>> {
    let any = [home.certificate(), home.certificate_key()].iter().any(|path| path.exists());
    any.then(|| Certificate::read(home)).transpose()
}

/// Makes the next certificate, which the present one hands over to.
pub fn renew(home: &Home, hostname: &str, now: Millis) -> Result<Certificate> {
    let _lock = lock(home)?;
    next(home, hostname, now)
}

/// One at a time makes a certificate, whichever process it is: two would mix their files.
fn lock(home: &Home) -> Result<File> {
    let failed = |error| unstorable(home, &error);
    files::create_private_dir(&home.tls()).map_err(failed)?;
    let lock = modes::open_lock(&home.certificate_lock()).map_err(failed)?;
    lock.lock().map_err(failed)?;
    Ok(lock)
}

fn unstorable(home: &Home, error: &std::io::Error) -> Error {
    Error::new(Code::Config, format!("the certificate can't be stored: {}", io_words(error)))
        .hint(format!("Check {}.", home.tls().display()))
}

fn next(home: &Home, hostname: &str, now: Millis) -> Result<Certificate> {
    let present = Certificate::read(home)?;
    let text = std::fs::read_to_string(home.certificate()).map_err(|cause| Error::internal("the certificate is gone", cause))?;
    write(home, &make(hostname, now, Some((&present, &text)))?)?;
    Certificate::read(home)
}

/// A fresh key and its certificate, in PEM; the certificate it takes over from behind it.
fn make(hostname: &str, now: Millis, before: Option<(&Certificate, &str)>) -> Result<String> {
    let failed = |cause: rcgen::Error| Error::internal("the certificate can't be made", cause);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let params = params(hostname, now);
    let chain = match before {
        None => params.self_signed(&key).map_err(failed)?.pem(),
        Some((before, text)) => {
            let old_key = KeyPair::try_from(&before.key).map_err(failed)?;
            let signed = params.signed_by(&key, &Issuer::new(params.clone(), old_key)).map_err(failed)?;
            let old = text.split_inclusive(END).next().unwrap_or_default();
            format!("{}{old}\n", signed.pem())
        }
    };
    Ok(key.serialize_pem() + &chain)
}

/// Puts a key and its certificate in their places. They lie together in one file first, so that a crash between the two
/// leaves a pair that [`finish`] completes.
fn write(home: &Home, pair: &str) -> Result<()> {
    let failed = |error| unstorable(home, &error);
    files::write_private(&home.new_certificate(), pair.as_bytes()).map_err(failed)?;
    let (key, chain) = pair.split_at(pair.find(BEGIN).unwrap_or(pair.len()));
    files::write_private(&home.certificate_key(), key.as_bytes()).map_err(failed)?;
    files::write_private(&home.certificate(), chain.as_bytes()).map_err(failed)?;
    std::fs::remove_file(home.new_certificate()).map_err(failed)
}

/// Completes a [`write`] that a crash interrupted.
fn finish(home: &Home) -> Result<()> {
    match std::fs::read_to_string(home.new_certificate()) {
        Ok(pair) => write(home, &pair),
        Err(_) => Ok(()),
    }
}

fn params(hostname: &str, now: Millis) -> CertificateParams {
    let mut params = CertificateParams::default();
    let at = |millis: Millis| date_time_ymd(1970, 1, 1) + Duration::from_secs(millis / 1000);
    params.not_before = at(now.saturating_sub(TOLERANCE));
    params.not_after = at(now + LIFE);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, SUBJECT);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.subject_alt_names = names(hostname);
    params
}

/// What a program that goes by names may call this machine.
fn names(hostname: &str) -> Vec<SanType> {
    let mut names = vec!["localhost".to_owned()];
    for name in [hostname.to_owned(), host::hostname()] {
        let bare = name.trim_end_matches('.').to_lowercase();
        for name in [format!("{bare}.local"), bare] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let is_name = |name: &String| {
        name.len() <= 253
            && name.split('.').all(|part| {
                (1..=63).contains(&part.len())
                    && !part.starts_with('-')
                    && !part.ends_with('-')
                    && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            })
    };
    let dns = names.into_iter().filter(is_name).filter_map(|name| name.try_into().ok().map(SanType::DnsName));
    dns.chain(addresses().into_iter().map(SanType::IpAddress)).collect()
}

fn addresses() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;
    use crate::net::memory::Memory;
    use crate::net::{Address, Network};
    use crate::platform::modes::testing::mode;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("home"));
        (dir, home)
    }

    /// known fault 35: made without a shell, private, with nothing of the name in it that could be run.
    #[test]
    fn a_certificate_is_made_once_and_its_key_is_private() {
        let (_dir, home) = home();
        let now = clock::now();
        let made = load_or_create(&home, "$(touch x); `id`", now).unwrap();
        assert_eq!(load_or_create(&home, "kai", now).unwrap().fingerprint(), made.fingerprint());
        assert!(!made.is_due(now) && made.is_due(made.valid_until()));
        assert_eq!((mode(&home.tls()), mode(&home.certificate_key())), (0o700, 0o600));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_never_replaced() {
        let (_dir, home) = home();
        load_or_create(&home, "kai", clock::now()).unwrap();
        let key = std::fs::read(home.certificate_key()).unwrap();
        let certificate = std::fs::read(home.certificate()).unwrap();
        for (path, broken) in [(home.certificate_key(), &b"nonsense"[..]), (home.certificate(), b""), (home.certificate(), &key)] {
            files::write_private(&path, broken).unwrap();
            let error = load_or_create(&home, "kai", clock::now()).err().unwrap();
            assert!(error.code == Code::Config && error.hint.is_some(), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), broken);
            files::write_private(&home.certificate_key(), &key).unwrap();
            files::write_private(&home.certificate(), &certificate).unwrap();
        }
        let (_dir, other) = self::home();
        load_or_create(&other, "leo", clock::now()).unwrap();
        std::fs::copy(other.certificate_key(), home.certificate_key()).unwrap();
        assert!(load(&home).err().unwrap().message.contains("not the key"));
    }

    #[test]
    fn a_crash_in_the_middle_of_a_renewal_is_mended() {
        let (_dir, home) = home();
        let first = load_or_create(&home, "kai", clock::now()).unwrap();
        let pair = make("kai", clock::now(), None).unwrap();
        let key = &pair[..pair.find(BEGIN).unwrap()];
        files::write_private(&home.new_certificate(), pair.as_bytes()).unwrap();
        files::write_private(&home.certificate_key(), key.as_bytes()).unwrap();
        let mended = load_or_create(&home, "kai", clock::now()).unwrap();
        assert!(mended.fingerprint() != first.fingerprint() && !home.new_certificate().exists());
    }

    #[test]
    fn several_who_renew_at_once_leave_one_whole_certificate() {
        let (_dir, home) = home();
        load_or_create(&home, "kai", clock::now()).unwrap();
        std::thread::scope(|scope| {
            let all = [(); 8].map(|()| scope.spawn(|| (0..8).try_for_each(|_| renew(&home, "kai", clock::now()).map(drop))));
            all.into_iter().for_each(|one| one.join().unwrap().unwrap());
        });
        assert!(load(&home).unwrap().is_some() && !home.new_certificate().exists());
    }

    async fn handshake(server: &Certificate, expected: Fingerprint) -> std::result::Result<Fingerprint, tls::Refused> {
        let memory = Memory::default();
        let network = Network::Memory(memory.host("kai"));
        let mut listener = network.listen("0.0.0.0", 0).await.unwrap();
        let address = Address::new("127.0.0.1", listener.port()).unwrap();
        let server = tls::Server::new(server.credentials()).unwrap();
        let serving = async {
            let (stream, _) = listener.accept().await.unwrap();
            server.accept(stream).await
        };
        let client = tls::Client::new(Some(expected)).unwrap();
        let asking = async { client.connect(network.dial(&address).await.unwrap()).await.map(|(_, shown)| shown) };
        tokio::join!(serving, asking).1
    }

    #[tokio::test]
    async fn a_pin_is_followed_through_a_renewal_and_to_nobody_else() {
        let (_dir, home) = home();
        let now = clock::now();
        let first = load_or_create(&home, "kai", now - LIFE + AHEAD).unwrap();
        assert!(first.is_due(now));
        assert_eq!(handshake(&first, first.fingerprint()).await.unwrap(), first.fingerprint());
        let second = load_or_create(&home, "kai", now).unwrap();
        assert_eq!(handshake(&second, first.fingerprint()).await.unwrap(), second.fingerprint());
        assert_eq!(handshake(&second, second.fingerprint()).await.unwrap(), second.fingerprint());

        let (_dir, other) = self::home();
        let mut stranger = load_or_create(&other, "kai", now).unwrap();
        for chain in [stranger.chain.clone(), vec![stranger.chain[0].clone(), first.chain[0].clone()]] {
            stranger.chain = chain;
            let refused = handshake(&stranger, first.fingerprint()).await.unwrap_err();
            let tls::Refused::Mismatch(mismatch) = refused else { panic!("{refused:?}") };
            assert_eq!(mismatch, tls::Mismatch { expected: first.fingerprint(), shown: stranger.fingerprint() });
        }
    }
}
