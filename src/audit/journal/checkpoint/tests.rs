#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

/// The example in the documentation of Go's `golang.org/x/mod/sumdb/note`, where the format comes from.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
/// Algorithm number and seed of its private key.
const PRIVATE: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const SIGNATURE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer() -> Signer {
    Signer::new("example.org/journal", &STANDARD.encode([7; 32])).unwrap()
}

fn at() -> DateTime<Utc> {
    "2026-11-24T03:00:00Z".parse().unwrap()
}

#[test]
fn a_note_is_signed_and_verified_as_the_reference_implementation_does() {
    let seed = &STANDARD.decode(PRIVATE).unwrap()[1..];
    let signer = Signer::new("PeterNeumann", &STANDARD.encode(seed)).unwrap();
    assert_eq!(signer.verifier().to_string(), KEY);
    assert_eq!(signer.sign_text(TEXT), format!("{TEXT}\n{SIGNATURE}"));
    let verifier: Verifier = KEY.parse().unwrap();
    let signature = Signature::parse(SIGNATURE.trim_end()).unwrap();
    assert!(verifier.made(&signature) && verifier.accepts(TEXT, &signature.bytes));
    assert!(!verifier.accepts(&TEXT.replace("don't", "do"), &signature.bytes));
}

#[test]
fn a_checkpoint_is_read_back_from_its_note() {
    let signer = signer();
    let note = signer.sign(14, Hash::of(b"root"), at());
    let expected = Checkpoint {
        origin: "example.org/journal".into(),
        size: 14,
        root: Hash::of(b"root"),
        at: Some(at()),
    };
    assert_eq!(Checkpoint::verify(&note, &[signer.verifier().clone()]), Ok(expected.clone()));
    assert_eq!(Checkpoint::parse(&note), Ok(expected));
    assert_eq!(signer.verifier().to_string().parse(), Ok(signer.verifier().clone()));
}

#[test]
fn a_checkpoint_by_another_key_or_without_one_is_refused() {
    let note = signer().sign(14, Hash::of(b"root"), at());
    let other = Signer::new("example.org/journal", &STANDARD.encode([8; 32])).unwrap();
    let verified = |verifier: &Verifier| Checkpoint::verify(&note, std::slice::from_ref(verifier));
    assert_eq!(verified(other.verifier()), Err(CheckpointError::UnknownKey));
    // The right key under another name.
    let renamed = Signer::new("other.org", &STANDARD.encode([7; 32])).unwrap();
    assert_eq!(verified(renamed.verifier()), Err(CheckpointError::UnknownKey));
    assert_eq!(Checkpoint::verify(&note, &[]), Err(CheckpointError::UnknownKey));
}

#[test]
fn a_key_in_pem_as_openssl_writes_it_is_accepted_and_nonsense_is_not() {
    let header = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let body = STANDARD.encode([header.as_slice(), &[7; 32]].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let from_pem = Signer::new("example.org/journal", &pem).unwrap();
    assert_eq!(from_pem.verifier(), signer().verifier());
    assert_eq!(Signer::new("example.org", "c2VjcmV0").unwrap_err(), InvalidSigner::Key);
    assert_eq!(Signer::new("two words", &pem).unwrap_err(), InvalidSigner::Origin);
}

#[test]
fn a_file_may_hold_several_checkpoints() {
    let signer = signer();
    let notes = [signer.sign(3, Hash::of(b"3"), at()), signer.sign(14, Hash::of(b"14"), at())];
    assert_eq!(split_notes(&notes.concat()).unwrap(), notes);
    assert_eq!(split_notes(&notes.join("\n\n")).unwrap(), notes);
    for nonsense in ["", "12 abc\n", &notes[0][..40], &format!("{}rubbish\n", notes[1])] {
        assert_eq!(split_notes(nonsense), Err(CheckpointError::NotACheckpoint), "{nonsense}");
    }
}

proptest! {
    #[test]
    fn no_changed_byte_is_accepted(place in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let signer = signer();
        let note = signer.sign(14, Hash::of(b"root"), at());
        let mut bytes = note.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(Checkpoint::verify(&changed, &[signer.verifier().clone()]).is_err());
        }
    }
}
