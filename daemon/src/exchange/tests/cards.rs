use calcard::vcard::VCardVersion;

use super::*;
use crate::exchange::vcard::{CardOf, card};

#[tokio::test]
async fn cards_of_other_programs_become_contacts_with_their_accounts() {
    let photo = "A".repeat(400_000);
    let file = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Baker;Bob;;;\r\nFN:Bob Baker\r\nORG:Acme GmbH;Sales\r\n\
         TITLE:Head of IT\r\nEMAIL;TYPE=INTERNET:old@acme.example\r\n\
         EMAIL;TYPE=INTERNET,PREF:bob@acme.example\r\nTEL;TYPE=WORK:+49 1\r\nitem1.TEL:+49 2\r\n\
         BDAY:1980-04-30\r\nNOTE:likes\\, tea\\nand cake\r\nPHOTO;ENCODING=b:{photo}\r\n {photo}\r\n\
         ADR;TYPE=WORK:;;Main St 1;Berlin;;10115;Germany\r\nEND:VCARD\r\n\r\n\
         BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:4fbe8971\r\nFN:Zoë Sand\r\n\
         EMAIL;PREF=2:second@sand.example\r\nEMAIL;PREF=1:zoe@sand.example\r\n\
         BDAY:--0229\r\nLANG:fr\r\nTZ:Europe/Paris\r\nEND:VCARD\r\n\
         BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Nobody\r\nEMAIL:no address\r\nEND:VCARD\r\n"
    );
    let desk = Desk::new();
    let report = desk.import(Kind::Contact, &file).await;
    assert_eq!((report.accounts.created, report.others.created), (2, 2));
    let lines: Vec<u64> = report.rejected.iter().map(|one| one.line).collect();
    assert_eq!(lines, [28], "{:?}", report.rejected);
    let bob = desk.find(Kind::Contact, "bob@acme.example").await;
    assert_eq!(
        bob.texts("emails"),
        ["bob@acme.example", "old@acme.example"]
    );
    assert_eq!(bob.texts("phones"), ["+49 1", "+49 2"]);
    assert_eq!(bob.text("birthday"), Some("04-30"));
    assert_eq!(bob.text("notes"), Some("likes, tea\nand cake"));
    assert_eq!(
        bob.text("address"),
        Some("Main St 1, Berlin, 10115, Germany")
    );
    let zoe = desk.find(Kind::Contact, "vcard:4fbe8971").await;
    assert_eq!(
        zoe.texts("emails"),
        ["zoe@sand.example", "second@sand.example"]
    );
    assert_eq!(
        (zoe.text("time_zone"), zoe.text("birthday")),
        (Some("Europe/Paris"), Some("02-29"))
    );
    let own = desk.find(Kind::Account, "Zoë Sand").await;
    assert_eq!(zoe.text("account"), Some(own.id.as_str()));
    let again = desk.import(Kind::Contact, &file).await;
    assert_eq!(again.others, counts(0, 0, 2));
}

#[tokio::test]
async fn a_contact_that_went_out_as_a_card_comes_back_equal() {
    let fields = [
        ("account", "Acme; GmbH, \"north\""),
        ("name", "Zoë Sand"),
        ("emails", "zoe@sand.example;z@sand.example"),
        ("role", "Chair, board"),
        ("function", "finance"),
        ("roles", "decision-maker;approver"),
        ("approves_up_to", "5000.50"),
        ("currency", "EUR"),
        ("phones", "+49 1;+49 2"),
        ("address", "Main St 1; Berlin"),
        ("birthday", "02-29"),
        ("interests", "sailing\nand chess"),
        ("external_id", "crm:17"),
        ("notes", "first line\nsecond; line, with signs \\ and more"),
    ];
    for version in [VCardVersion::V3_0, VCardVersion::V4_0] {
        let desk = Desk::new();
        desk.put(
            Kind::Account,
            &[("name", fields[0].1), ("external_id", "crm:1")],
        )
        .await;
        let before = desk.put(Kind::Contact, &fields).await;
        let told = crate::exchange::export::Exported::of(&before);
        let text = card(
            &CardOf {
                id: &told.id,
                fields: &told.fields,
                account: fields[0].1,
                account_external: "crm:1",
            },
            version,
        );
        let other = Desk::new();
        let report = other.import(Kind::Contact, &text).await;
        assert_eq!(report.rejected, [], "{text}");
        let after = other.find(Kind::Contact, "crm:17").await;
        assert_eq!(after.id, before.id, "{text}");
        assert_eq!(after.fields, before.fields, "{text}");
    }
}

#[tokio::test]
async fn cards_are_no_accounts() {
    let file = "BEGIN:VCARD\nVERSION:4.0\nFN:x\nEND:VCARD\n";
    let error = Desk::new().import_as(Kind::Account, file, None).await;
    assert!(error.unwrap_err().to_string().contains("contacts import"));
}
