//! A certificate authority run by the openssl command: certificates with addresses, CRLs of every shape, OCSP answers.

use crate::common::{run, try_run};
use envelope::key::Certificate;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One key of one authority, with openssl's database beside it.
pub struct Authority {
    pub dir: PathBuf,
    pub cert: Certificate,
    /// Addresses in certificates and lists begin with this.
    base: String,
    /// openssl's files are one at a time.
    busy: Mutex<()>,
}

const BASE: &str = "http://crl.example/";

pub const NAME: &str = "/C=TW/O=行政院/OU=組織及團體憑證管理中心";

const CONFIG: &str = "
[req]
distinguished_name = dn
string_mask = utf8only
utf8 = yes
[dn]
[ca]
default_ca = here
[here]
database = index.txt
serial = serial
crlnumber = crlnumber
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 3000
default_crl_days = 2
policy = any
unique_subject = no
copy_extensions = none
[any]
countryName = optional
organizationName = optional
organizationalUnitName = optional
commonName = optional
[v3_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[v3_sub]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://crl.example/ca.crl
[v3_sign]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://crl.example/part-1.crl,URI:http://crl.example/complete.crl
authorityInfoAccess = OCSP;URI:http://ocsp.example/
[v3_other_part]
keyUsage = critical,digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
crlDistributionPoints = URI:http://crl.example/part-2.crl
[v3_ocsp]
keyUsage = critical,digitalSignature
extendedKeyUsage = OCSPSigning
noCheck = ignored
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[crl_plain]
authorityKeyIdentifier = keyid
[crl_no_aki]
issuerAltName = URI:http://ca.example/
[crl_part]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@part
[part]
fullname = URI:http://crl.example/part-1.crl
onlyuser = TRUE
[crl_cas]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@cas
[cas]
onlyCA = TRUE
[crl_attributes]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@attributes
[attributes]
onlyAA = TRUE
[crl_indirect]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@indirect
[indirect]
indirectCRL = TRUE
[crl_reasons]
authorityKeyIdentifier = keyid
issuingDistributionPoint = critical,@reasons
[reasons]
onlysomereasons = keyCompromise
[crl_delta]
authorityKeyIdentifier = keyid
2.5.29.27 = critical,DER:020101
[crl_unknown]
authorityKeyIdentifier = keyid
1.2.3.4 = critical,DER:0500
";

impl Authority {
    /// A root of its own.
    pub fn root(dir: &Path) -> Self {
        Self::root_at(dir, BASE)
    }

    /// A root of its own whose addresses begin with `base`, which ends in a slash.
    pub fn root_at(dir: &Path, base: &str) -> Self {
        prepare(dir, base);
        let new = "req -x509 -newkey rsa:2048 -nodes -days 3650 -config ca.cnf -extensions v3_ca -keyout ca.key -out ca.pem";
        let mut args: Vec<&str> = new.split(' ').collect();
        args.extend(["-utf8", "-subj", "/C=TW/O=行政院/OU=憑證總管理中心"]);
        run("openssl", dir, &args);
        Self::opened(dir, base)
    }

    /// Below this one; every one of them has the same name.
    pub fn below(&self, dir: &Path) -> Self {
        prepare(dir, &self.base);
        let new = "req -new -newkey rsa:2048 -nodes -config ca.cnf -keyout ca.key -out ca.csr";
        let mut args: Vec<&str> = new.split(' ').collect();
        args.extend(["-utf8", "-subj", NAME]);
        run("openssl", dir, &args);
        let csr = dir.join("ca.csr");
        let pem = self.issue_csr(&csr, "v3_sub");
        std::fs::write(dir.join("ca.pem"), pem.to_pem()).unwrap();
        Self::opened(dir, &self.base)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn opened(dir: &Path, base: &str) -> Self {
        let pem = std::fs::read(dir.join("ca.pem")).unwrap();
        let cert = Certificate::all_from_pem(&pem).unwrap().remove(0);
        Self { dir: dir.to_owned(), cert, base: base.to_owned(), busy: Mutex::default() }
    }

    fn issue_csr(&self, csr: &Path, profile: &str) -> Certificate {
        let csr = csr.to_str().unwrap();
        let args = format!("ca -batch -notext -config ca.cnf -extensions {profile} -in {csr} -out new.pem");
        run("openssl", &self.dir, &args.split(' ').collect::<Vec<_>>());
        let pem = std::fs::read(self.dir.join("new.pem")).unwrap();
        Certificate::all_from_pem(&pem).unwrap().remove(0)
    }

    /// A certificate by a profile of the configuration; its key lies in `NAME.key`, itself in `NAME.pem`.
    pub fn issue(&self, name: &str, profile: &str) -> Certificate {
        let _one = self.lock();
        let new =
            format!("req -new -newkey rsa:2048 -nodes -config ca.cnf -keyout {name}.key -out {name}.csr");
        let subject = format!("/C=TW/O={name}");
        let mut args: Vec<&str> = new.split(' ').collect();
        args.extend(["-utf8", "-subj", &subject]);
        run("openssl", &self.dir, &args);
        let cert = self.issue_csr(Path::new(&format!("{name}.csr")), profile);
        std::fs::write(self.dir.join(format!("{name}.pem")), cert.to_pem()).unwrap();
        cert
    }

    pub fn revoke(&self, name: &str, reason: &str) {
        let _one = self.lock();
        let args = format!("ca -config ca.cnf -revoke {name}.pem -crl_reason {reason}");
        run("openssl", &self.dir, &args.split(' ').collect::<Vec<_>>());
    }

    /// A CRL (DER) with the extensions of a section; `more` are further arguments.
    pub fn crl(&self, section: &str, more: &str) -> Vec<u8> {
        let _one = self.lock();
        let args = format!("ca -gencrl -config ca.cnf -crlexts {section} -out crl.pem {more}");
        run("openssl", &self.dir, &args.split_whitespace().collect::<Vec<_>>());
        let args = "crl -in crl.pem -outform DER -out crl.der";
        run("openssl", &self.dir, &args.split(' ').collect::<Vec<_>>());
        std::fs::read(self.dir.join("crl.der")).unwrap()
    }

    /// `count` certificates that nobody ever saw, as revoked in the database. Serial numbers of 16 bytes.
    pub fn fill(&self, count: u32) {
        let mut lines = String::new();
        for n in 0..count {
            let reason = if n % 7 == 0 { ",certificateHold" } else { "" };
            // Spread over the whole range, as random serial numbers are.
            let serial = u128::from(n + 1).wrapping_mul(0x2545_f491_4f6c_dd1d_8a5c_d789_635d_2dff) >> 1;
            writeln!(lines, "R\t491231000000Z\t260101000000Z{reason}\t{serial:032X}\tunknown\t/C=TW/O=x")
                .unwrap();
        }
        let path = self.dir.join("index.txt");
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + &lines).unwrap();
    }

    /// openssl's answer (DER) to an OCSP request, signed by NAME (`ca`: the authority itself); `more` are further
    /// arguments.
    pub fn ocsp(&self, request: &[u8], signer: &str, more: &str) -> Vec<u8> {
        let _one = self.lock();
        std::fs::write(self.dir.join("request.der"), request).unwrap();
        let _ = std::fs::remove_file(self.dir.join("response.der"));
        let args = format!(
            "ocsp -index index.txt -CA ca.pem -rsigner {signer}.pem -rkey {signer}.key -reqin request.der -respout response.der {more}"
        );
        let output = try_run("openssl", &self.dir, &args.split_whitespace().collect::<Vec<_>>());
        std::fs::read(self.dir.join("response.der"))
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }
}

fn prepare(dir: &Path, base: &str) {
    std::fs::create_dir_all(dir).unwrap();
    let config = CONFIG.replace(BASE, base).replace("http://ocsp.example/", &format!("{base}ocsp"));
    for (name, text) in
        [("ca.cnf", config.as_str()), ("index.txt", ""), ("serial", "8f01\n"), ("crlnumber", "10\n")]
    {
        std::fs::write(dir.join(name), text).unwrap();
    }
}
