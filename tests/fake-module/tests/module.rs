//! The module, loaded as the program under test loads it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::MechanismType;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource};
use cryptoki::object::{Attribute, AttributeType, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use fake_module::{Card, Fault, Key, Memory, Oaep, Reader, Script, What, When, WrongPin};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize};
use std::path::PathBuf;

fn module() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let name = "libfake_module.so";
    me.ancestors().skip(1).map(|dir| dir.join(name)).find(|path| path.is_file()).unwrap()
}

fn code<T>(result: Result<T, Error>) -> RvError {
    match result {
        Err(Error::Pkcs11(code, _)) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it went well"),
    }
}

/// One test, because the variable that names the script belongs to the process.
#[test]
fn behaves_like_a_card_and_misbehaves_as_told() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    std::fs::write(at("key"), pair.serialize_pem()).unwrap();
    let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&pair).unwrap();
    std::fs::write(at("crt"), certificate.pem()).unwrap();
    let key = |id: &str, sign| Key {
        id: id.into(),
        label: "cert".into(),
        key: Some(at("key")),
        certificate: Some(at("crt")),
        sign,
        decrypt: !sign,
    };
    let keys = vec![key("SIGN", true), key("KEYX", false)];
    let card = Card { memory: at("card"), keys, ..Card::default() };
    Memory::new("123456").write(&card.memory).unwrap();
    let reader = Reader { name: "R".into(), card: Some(card), insertion: 0 };
    let mut script = Script { readers: vec![reader], oaep: Oaep::Sha256, untidy: true, ..Script::default() };
    script.log = Some(at("log"));
    let set = |script: &Script| script.write(&at("script")).unwrap();
    set(&script);
    // SAFETY: no other thread of this test program reads the environment.
    unsafe { std::env::set_var(fake_module::VARIABLE, at("script")) };

    let pkcs11 = Pkcs11::new(module()).unwrap();
    pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slot = pkcs11.get_slots_with_token().unwrap()[0];
    let session = pkcs11.open_ro_session(slot).unwrap();
    let private = [Attribute::Class(ObjectClass::PRIVATE_KEY)];
    assert!(session.find_objects(&private).unwrap().is_empty(), "private keys show only after a login");

    // PINs: one wrong one, the right one, then three wrong ones.
    let login = |pin: &str| session.login(UserType::User, Some(&AuthPin::from(pin)));
    assert!(matches!(code(login("000000")), RvError::PinIncorrect));
    assert!(matches!(code(login("1")), RvError::PinLenRange), "not presented");
    assert_eq!(Memory::read(&at("card")).unwrap().wrong, 1);
    login("123456").unwrap();
    assert!(matches!(code(login("000000")), RvError::UserAlreadyLoggedIn), "not presented");
    assert_eq!(Memory::read(&at("card")).unwrap().wrong, 0);

    // Keys.
    let find = |id: &str| {
        let template = [private[0].clone(), Attribute::Id(id.into())];
        session.find_objects(&template).unwrap()[0]
    };
    let mut info = vec![
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    info.extend_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"words").as_ref());
    let signature = session.sign(&Mechanism::RsaPkcs, find("SIGN"), &info).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.der_bytes());
    public.verify(b"words", &signature).unwrap();
    let refused = session.sign(&Mechanism::RsaPkcs, find("KEYX"), &info);
    assert!(matches!(code(refused), RvError::KeyFunctionNotPermitted));
    let values =
        session.get_attributes(find("KEYX"), &[AttributeType::Modulus, AttributeType::Decrypt]).unwrap();
    assert!(values.contains(&Attribute::Decrypt(true)) && values.len() == 2, "{values:?}");

    // OAEP with SHA-256, and without.
    let spki = pair.subject_public_key_info();
    let to = aws_lc_rs::rsa::PublicEncryptingKey::from_der(&spki).unwrap();
    let to = aws_lc_rs::rsa::OaepPublicEncryptingKey::new(to).unwrap();
    let mut wrapped = vec![0; 256];
    to.encrypt(&aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256, b"a key", &mut wrapped, None).unwrap();
    let oaep = PkcsOaepParams::new(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, PkcsOaepSource::empty());
    let oaep = Mechanism::RsaPkcsOaep(oaep);
    assert_eq!(session.decrypt(&oaep, find("KEYX"), &wrapped).unwrap(), b"a key");
    script.oaep = Oaep::Sha1;
    set(&script);
    assert!(matches!(code(session.decrypt(&oaep, find("KEYX"), &wrapped)), RvError::MechanismParamInvalid));

    // A fault that happens once; a login that nobody hears of; the vendor's codes; the lock.
    std::fs::write(at("once"), "").unwrap();
    let fault = |what, when, once| Fault { call: "C_Sign".into(), when, what, once };
    script.faults = vec![fault(What::Answer(0x30), When::Before, Some(at("once")))];
    set(&script);
    assert!(matches!(code(session.sign(&Mechanism::RsaPkcs, find("SIGN"), &info)), RvError::DeviceError));
    session.sign(&Mechanism::RsaPkcs, find("SIGN"), &info).unwrap();
    session.logout().unwrap();
    script.wrong_pin = WrongPin::Vendor;
    set(&script);
    assert!(matches!(code(login("000000")), RvError::VendorDefined(0x8000_0002)));
    script.wrong_pin = WrongPin::VendorSignExtended;
    set(&script);
    assert!(matches!(code(login("000000")), RvError::VendorDefined(0xFFFF_FFFF_8000_0001)));
    assert!(pkcs11.get_token_info(slot).unwrap().user_pin_final_try());
    assert!(matches!(code(login("000000")), RvError::PinLocked));
    assert!(matches!(code(login("123456")), RvError::PinLocked));
    assert!(pkcs11.get_token_info(slot).unwrap().user_pin_locked());
    script.pin_flags = false;
    set(&script);
    assert!(!pkcs11.get_token_info(slot).unwrap().user_pin_locked());
    assert_eq!(Memory::read(&at("card")).unwrap().most_wrong, 3);

    // The card is pulled and put in again.
    script.readers[0].insertion += 1;
    set(&script);
    assert!(matches!(code(session.find_objects(&private)), RvError::DeviceRemoved));
    drop(session);
    let calls = std::fs::read_to_string(at("log")).unwrap();
    assert!(calls.contains("C_Initialize\n") && calls.contains("C_SignInit\nC_Sign\n"));
}
