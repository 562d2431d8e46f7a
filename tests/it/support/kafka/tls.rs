//! Certificates for a broker that speaks TLS.
//!
//! In: a directory. Out: the broker's key store and the authority, as PEM files in it. Invariant:
//! made anew for each broker and good for `localhost` and `127.0.0.1`, as librdkafka checks names.

use std::fs;
use std::path::Path;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};

/// The authority's certificate, which clients are to trust.
pub(super) const AUTHORITY_FILE: &str = "ca.pem";
/// Key (PKCS#8), certificate and authority, in this order: the form Kafka reads as a key store.
pub(super) const KEY_STORE_FILE: &str = "broker.pem";

/// Writes both files into `dir`.
///
/// # Errors
/// When a key cannot be made or a file not written.
pub(super) fn write_certificates(dir: &Path) -> anyhow::Result<()> {
    let authority = authority()?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()])?;
    params.distinguished_name = named("imbridge test broker");
    let certificate = params.signed_by(&key, &authority)?;
    let key_store = key.serialize_pem() + &certificate.pem() + &authority.pem();
    fs::write(dir.join(KEY_STORE_FILE), key_store).context("cannot write the key store")?;
    fs::write(dir.join(AUTHORITY_FILE), authority.pem()).context("cannot write the authority")
}

/// Makes an authority of its own, which no broker has: for clients that trust the wrong one.
///
/// # Errors
/// When the key cannot be made.
pub(super) fn foreign_authority() -> anyhow::Result<String> {
    Ok(authority()?.pem())
}

fn authority() -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named("imbridge test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
