use super::*;
use crate::exchange::presets;

const FILE: &str = "account.name,account.domains,Full Name,E-Mail,role,external_id\n\
    Acme GmbH,acme.example.com,Bob Baker,bob@acme.example.com,Head of IT,c1\n\
    Acme GmbH,acme.example.com,Carol Reed,carol@acme.example.com,,c2\n\
    Beta,,Dan Drew,dan@beta.example.net,,c3\n";

#[tokio::test]
async fn a_row_makes_the_account_and_its_contact_and_again_changes_nothing() {
    let desk = Desk::new();
    let first = desk.import(Kind::Contact, FILE).await;
    assert_eq!(first.rejected, []);
    assert_eq!(
        (first.accounts, first.others),
        (counts(2, 0, 0), counts(3, 0, 0))
    );
    let bob = desk.find(Kind::Contact, "c1").await;
    let acme = desk.find(Kind::Account, "Acme GmbH").await;
    assert_eq!(bob.text("account"), Some(acme.id.as_str()));
    assert_eq!(bob.texts("emails"), ["bob@acme.example.com"]);
    let again = desk.import(Kind::Contact, FILE).await;
    assert_eq!(
        (again.accounts, again.others),
        (counts(0, 0, 2), counts(0, 0, 3))
    );
    let promoted = FILE.replace("Head of IT", "CIO");
    let changed = desk.import(Kind::Contact, &promoted).await;
    assert_eq!(changed.others, counts(0, 1, 2));
}

#[tokio::test]
async fn an_import_that_was_cut_off_is_completed_and_repeats_nothing() {
    let mut file = "account.name,name,emails,external_id\n".to_owned();
    for n in 0..4_300 {
        let account = n / 5;
        file.push_str(&format!(
            "Firm {account},Person {n},p{n}@firm{account}.example,c{n}\n"
        ));
    }
    let desk = Desk::new();
    let mut reading =
        Reading::open(Cursor::new(file.as_bytes()), Kind::Contact, None, false).unwrap();
    for _ in 0..2 {
        assert!(reading.portion(&mut |_, _| {}).unwrap());
        let taken = take(&desk.records, reading.rows(), (&by(Source::Import), None))
            .await
            .unwrap();
        reading.took(taken, &mut |_, _| {});
    }
    assert_eq!(reading.report().done_line, 4_001);
    let rest = desk.import(Kind::Contact, &file).await;
    assert_eq!(rest.rejected, []);
    assert_eq!(rest.others, counts(300, 0, 4_000));
    assert_eq!(rest.accounts, counts(60, 0, 800));
}

#[test]
fn a_portion_of_long_rows_fits_into_a_request() {
    let mut file = "account.name,name,emails,notes\n".to_owned();
    let notes = "n".repeat(4_000);
    for n in 0..1_500 {
        file.push_str(&format!("Firm {n},P {n},p{n}@firm{n}.example,{notes}\n"));
    }
    let mut reading =
        Reading::open(Cursor::new(file.as_bytes()), Kind::Contact, None, false).unwrap();
    assert!(reading.portion(&mut |_, _| {}).unwrap());
    let request = serde_json::to_vec(reading.rows()).unwrap().len();
    assert!(reading.rows().len() > 400, "{}", reading.rows().len());
    assert!(request < crate::control::REQUEST_BYTES_MAX / 2, "{request}");
    assert!(request < super::super::PORTION_BYTES_MAX * 2, "{request}");
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_writes_nothing() {
    let desk = Desk::new();
    let reading = Reading::open(Cursor::new(FILE.as_bytes()), Kind::Contact, None, true).unwrap();
    let dry = desk.all(reading, &mut Vec::new()).await.unwrap();
    assert!(desk.records.find(Kind::Account, "Beta").await.is_err());
    let real = desk.import(Kind::Contact, FILE).await;
    assert_eq!((dry.accounts, dry.others), (real.accounts, real.others));
}

#[tokio::test]
async fn a_row_is_taken_whole_or_not_at_all_and_named_with_its_text() {
    let desk = Desk::new();
    let file = "account.name,name,emails,status\n\
        Good,Gus,gus@good.example,\n\
        Half,Hal,hal@half.example,dead\n\
        Ours,Uma,uma@ourfirm.example,\n\
        Good,Gus,gus@good.example,left\n";
    let mut rejects = Vec::new();
    let report = desk
        .rejecting(Kind::Contact, file, None, &mut rejects)
        .await
        .unwrap();
    assert_eq!(report.others.created, 1);
    assert!(desk.records.find(Kind::Account, "Half").await.is_err());
    assert!(desk.records.find(Kind::Account, "Ours").await.is_err());
    let told: Vec<_> = report
        .rejected
        .iter()
        .map(|one| (one.line, one.column.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(told, [(3, "status"), (4, "emails"), (5, "emails")]);
    assert!(report.rejected[0].reason.contains("active, left"));
    assert!(
        report.rejected[2]
            .reason
            .contains("line 2 is the same contact")
    );
    let raw = rejects.iter().find(|(one, _)| one.line == 3).unwrap();
    assert_eq!(raw.1, "Half,Hal,hal@half.example,dead");
}

#[tokio::test]
async fn what_a_person_set_is_proposed_and_not_overwritten() {
    let desk = Desk::new();
    desk.import(Kind::Contact, FILE).await;
    let bob = desk.find(Kind::Contact, "c1").await;
    let put = Put {
        which: Some(bob.id.clone()),
        ..Put::upsert(Kind::Contact, &[("role", "Director")])
    };
    desk.records.put(&put, &by(Source::Person)).await.unwrap();
    let report = desk.import(Kind::Contact, FILE).await;
    assert_eq!((report.proposals, report.others.proposed), (1, 1));
    let bob = desk.find(Kind::Contact, "c1").await;
    assert_eq!(bob.text("role"), Some("Director"));
    let again = desk.import(Kind::Contact, FILE).await;
    assert_eq!(again.proposals, 0, "asked twice");
}

#[tokio::test]
async fn a_link_to_a_later_row_is_found_and_one_to_nobody_is_told() {
    let desk = Desk::new();
    let file = "name,parent\nChild,Middle\nMiddle,Top\nOrphan,Nobody\nTop,\n";
    let report = desk.import(Kind::Account, file).await;
    assert_eq!(report.accounts.created, 3);
    let [rejected] = report.rejected.as_slice() else {
        panic!("{:?}", report.rejected);
    };
    assert_eq!(
        (rejected.line, rejected.column.as_deref()),
        (4, Some("parent"))
    );
    let middle = desk.find(Kind::Account, "Middle").await;
    let child = desk.find(Kind::Account, "Child").await;
    assert_eq!(child.text("parent"), Some(middle.id.as_str()));
    let reading = Reading::open(Cursor::new(file.as_bytes()), Kind::Account, None, false);
    let later = desk
        .all(reading.unwrap().links_later(true), &mut Vec::new())
        .await
        .unwrap();
    assert_eq!((later.accounts.created, later.rejected_count), (1, 0));
    assert!(later.notes[0].text.contains("Nobody"), "{:?}", later.notes);
}

#[tokio::test]
async fn a_mapping_renames_translates_and_reads_dates() {
    let desk = Desk::new();
    let mapping = "\
        [opportunities]\n\
        external = \"old:\"\n\
        dates = [\"DD/MM/YYYY\"]\n\
        ignore = [\"Colour\"]\n\
        [opportunities.fields]\n\
        \"account.name\" = \"Kunde\"\n\
        name = [\"Titel\", \"Zusatz\"]\n\
        external_id = \"Nr\"\n\
        close_date = \"Abschluss\"\n\
        value = \"Betrag\"\n\
        currency = { constant = \"EUR\" }\n\
        stage = { columns = [\"Stufe\"], values = { \"Closed Won\" = \"Won\" }, default = \"Initial Phone Call\" }\n";
    let mapping = Mapping::parse(mapping, Kind::Opportunity).unwrap();
    let file = "Kunde;Titel;Zusatz;Nr;Abschluss;Betrag;Stufe;Colour;Extra\n\
        Acme;Lager;zweiter Stock;7;03/02/2026;1.234,50;closed won;red;x\n\
        Acme;Garten;;8;31/12/2026;10;;;\n\
        Acme;Dach;;9;12/31/2026;10;;;\n";
    let report = desk
        .import_as(Kind::Opportunity, file, Some(&mapping))
        .await
        .unwrap();
    assert_eq!(report.others.created, 2, "{:?}", report.rejected);
    let rejected = &report.rejected[0];
    assert_eq!(
        (rejected.line, rejected.column.as_deref()),
        (4, Some("Abschluss"))
    );
    assert!(rejected.reason.contains("DD/MM/YYYY"));
    let won = desk.find(Kind::Opportunity, "old:7").await;
    assert_eq!(won.name(), "Lager zweiter Stock");
    assert_eq!(won.text("close_date"), Some("2026-02-03"));
    assert_eq!(won.integer("value"), Some(123_450));
    assert_eq!(won.text("stage"), Some("Won"));
    let open = desk.find(Kind::Opportunity, "old:8").await;
    assert_eq!(open.text("stage"), Some("Initial Phone Call"));
    let notes: Vec<_> = report.notes.iter().map(|note| note.text.as_str()).collect();
    assert!(
        notes.len() == 1 && notes[0].contains("`Extra`"),
        "{notes:?}"
    );
}

#[test]
fn a_mapping_that_is_wrong_is_told_where() {
    for (text, says) in [
        (
            "[opportunitys]\n[opportunitys.fields]\n",
            "did you mean [opportunities]?",
        ),
        ("[accounts.fields]\nname = \"x\"\n", "no table [contacts]"),
        ("[contacts.fields]\nnam = \"x\"\n", "did you mean `name`?"),
        (
            "[contacts.fields]\n\"unit.name\" = \"x\"\n",
            "and `account.`",
        ),
        ("[contacts.fields]\nname = { colums = [\"x\"] }\n", "colums"),
        ("[contacts.fields]\nname = []\n", "at least one column"),
        (
            "[contacts]\ndates = [\"dd\"]\n[contacts.fields]\nname = \"x\"\n",
            "DD/MM/YYYY",
        ),
        (
            "[contacts]\nzone = \"Mars\"\n[contacts.fields]\nname = \"x\"\n",
            "Europe/Berlin",
        ),
        (
            "[contacts.fields]\nname = { columns = [\"x\"], otherwise = \"role\" }\n",
            "`otherwise` names `role`",
        ),
    ] {
        let error = Mapping::parse(text, Kind::Contact).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_refused_with_help() {
    let desk = Desk::new();
    let salesforce = Mapping::parse(presets::text("salesforce").unwrap(), Kind::Contact).unwrap();
    for (file, mapping, says) in [
        ("name,emals\n", None, "did you mean `emails`"),
        ("account.name,name,name\n", None, "`name` is there twice"),
        ("name,emails\n", None, "`account` is missing"),
        (
            "Vorname;Nachname\nA;B\n",
            Some(&salesforce),
            "no column of this file",
        ),
        ("First Name,Last Name\nA,B\n", Some(&salesforce), "account"),
    ] {
        let error = desk
            .import_as(Kind::Contact, file, mapping)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{file}: {error}");
    }
}

/// What each program exports, and what becomes of it: kind, file, how it is found, fields.
type Sample = (
    &'static str,
    Kind,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

const SAMPLES: &[Sample] = &[
    (
        "salesforce",
        Kind::Account,
        "Account ID,Account Name,Type,Billing City,Billing Country,Website,Phone,Account Owner\n\
         0015x1,Acme,Customer - Direct,Berlin,DE,https://acme.example,+49 1,Alice Ames\n",
        "salesforce:0015x1",
        &[
            ("name", "Acme"),
            ("kind", "end-user"),
            ("address", "Berlin"),
            ("country", "DE"),
        ],
    ),
    (
        "salesforce",
        Kind::Contact,
        "Contact ID,First Name,Last Name,Title,Account Name,Account ID,Email,Mobile,Email Opt Out,Birthdate\n\
         0035x1,Bob,Baker,CIO,Acme,0015x1,bob@acme.example,+49 2,1,4/30/1980\n",
        "salesforce:0035x1",
        &[
            ("name", "Bob Baker"),
            ("role", "CIO"),
            ("do_not_contact", "yes"),
            ("birthday", "04-30"),
        ],
    ),
    (
        "salesforce",
        Kind::Opportunity,
        "Opportunity ID,Opportunity Name,Account Name,Stage,Amount,Close Date,Probability (%),CreatedDate\n\
         0065x1,Warehouse,Acme,Closed Won,\"12,500.00\",12/31/2025,100,2025-09-30T08:15:00.000+0000\n",
        "salesforce:0065x1",
        &[
            ("stage", "Won"),
            ("value", "12500.00"),
            ("close_date", "2025-12-31"),
            ("created_on", "2025-09-30"),
        ],
    ),
    (
        "salesforce",
        Kind::Activity,
        "Activity ID,Subject,Company / Account,Date,Activity Type,Full Comments\n\
         00T1,Asked for prices,Acme,1/15/2026,Call,Will call back\n",
        "salesforce:00T1",
        &[
            ("kind", "call"),
            ("at", "2026-01-15T00:00:00Z"),
            ("outcome", "Will call back"),
        ],
    ),
    (
        "hubspot",
        Kind::Account,
        "Record ID,Company name,Company Domain Name,Lifecycle Stage,City\n\
         101,Beta,beta.example.net,Customer,Oslo\n",
        "hubspot:101",
        &[("domains", "beta.example.net"), ("lifecycle", "active")],
    ),
    (
        "hubspot",
        Kind::Contact,
        "Record ID,First Name,Last Name,Email,Phone Number,Associated Company,Job Title\n\
         201,Solo,Sand,solo@gmail.com,,,Artist\n",
        "hubspot:201",
        &[("name", "Solo Sand"), ("emails", "solo@gmail.com")],
    ),
    (
        "hubspot",
        Kind::Opportunity,
        "Record ID,Deal Name,Deal Stage,Amount,Close Date,Associated Company,Create Date\n\
         301,Roof,Contract Sent,900,2026-05-01 10:00,Beta,2025-11-03 17:40\n",
        "hubspot:301",
        &[
            ("stage", "Project Proposal - Waiting for Approval"),
            ("close_date", "2026-05-01"),
            ("created_on", "2025-11-03"),
        ],
    ),
    (
        "hubspot",
        Kind::Activity,
        "Record ID,Activity type,Activity date,Note body,Associated Company\n\
         401,Meeting,2026-02-01 09:30,Talked,Beta\n",
        "hubspot:401",
        &[("kind", "meeting"), ("at", "2026-02-01T09:30:00Z")],
    ),
    (
        "dynamics",
        Kind::Account,
        "(Do Not Modify) Account,(Do Not Modify) Row Checksum,(Do Not Modify) Modified On,Account Name,Main Phone,Relationship Type\n\
         a-1,xyz,1/2/2026 9:00 AM,Gamma,+1 5,Reseller\n",
        "dynamics:a-1",
        &[("name", "Gamma"), ("kind", "var"), ("phone", "+1 5")],
    ),
    (
        "dynamics",
        Kind::Contact,
        "(Do Not Modify) Contact,Full Name,Email,Company Name,Business Phone,Preferred Method of Contact\n\
         c-1,Gina Gold,gina@gamma.example,Gamma,+1 6,Any\n",
        "dynamics:c-1",
        &[("name", "Gina Gold"), ("phones", "+1 6")],
    ),
    (
        "dynamics",
        Kind::Opportunity,
        "(Do Not Modify) Opportunity,Topic,Account,Est. Revenue,Est. Close Date,Actual Close Date,Status,Pipeline Phase,Created On\n\
         o-1,Fleet,Gamma,\"$1,000.00\",3/9/2026,3/2/2026,Open,2-Develop,10/5/2025 4:05 PM\n",
        "dynamics:o-1",
        &[
            ("value", "1000.00"),
            ("stage", "Initial Meeting - Booked"),
            // Of two days the one that is known, not both.
            ("close_date", "2026-03-02"),
            ("created_on", "2025-10-05"),
        ],
    ),
    (
        "dynamics",
        Kind::Activity,
        "(Do Not Modify) Activity,Subject,Activity Type,Regarding,Start Date,Direction\n\
         t-1,Prices,Phone Call,Gamma,3/2/2026 2:30 PM,Incoming\n",
        "dynamics:t-1",
        &[
            ("kind", "call"),
            ("at", "2026-03-02T14:30:00Z"),
            ("direction", "in"),
        ],
    ),
    (
        "act",
        Kind::Account,
        "Company,Phone,Address 1,City,ID/Status\nDelta,+1 7,Main St 1,Troy,Former Customer\n",
        "Delta",
        &[("lifecycle", "past"), ("address", "Main St 1, Troy")],
    ),
    (
        "act",
        Kind::Contact,
        "Contact,Company,Title,E-mail,Phone,Mobile Phone,Birth Date,Last Reach\n\
         Dora Dale,Delta,Buyer,dora@delta.example,+1 8,+1 9,5/6/1970,1/1/2026\n",
        "dora@delta.example",
        &[
            ("role", "Buyer"),
            ("phones", "+1 8;+1 9"),
            ("birthday", "05-06"),
        ],
    ),
    (
        "act",
        Kind::Opportunity,
        "Opportunity Name,Company,Total,Status,Est. Close Date,Create Date\nBridge,Delta,700,Closed - Lost,2/3/2026,8/7/2025\n",
        "Bridge",
        &[
            ("stage", "Lost"),
            ("value", "700.00"),
            ("close_date", "2026-02-03"),
            ("created_on", "2025-08-07"),
        ],
    ),
    (
        "act",
        Kind::Activity,
        "Type,Date,Regarding,Company,Details\nCall Completed,2/3/2026 10:15 AM,Bridge,Delta,ok\n",
        "Bridge",
        &[("kind", "call"), ("at", "2026-02-03T10:15:00Z")],
    ),
    (
        "goldmine",
        Kind::Account,
        "COMPANY,CONTACT,PHONE1,CITY,KEY1,LASTUSER\nEcho,Ed East,555,Rome,Customer,BOB\n",
        "Echo",
        &[("lifecycle", "active"), ("phone", "555")],
    ),
    (
        "goldmine",
        Kind::Contact,
        "ACCOUNTNO,COMPANY,CONTACT,TITLE,EMAIL,PHONE1\nA7%x,Echo,Ed East,Owner,ed@echo.example,555\n",
        "goldmine:A7%x",
        &[("name", "Ed East"), ("emails", "ed@echo.example")],
    ),
    (
        "goldmine",
        Kind::Opportunity,
        "OPID,COMPANY,NAME,FORAMT,CLOSEBY,STATUS,STARTDATE\n9,Echo,Tower,5000,20260401,Won,20251212\n",
        "goldmine:9",
        &[
            ("stage", "Won"),
            ("close_date", "2026-04-01"),
            ("created_on", "2025-12-12"),
        ],
    ),
    (
        "goldmine",
        Kind::Activity,
        "RECID,COMPANY,ONDATE,REF,SRECTYPE,NOTES\nR1,Echo,20260402,Tower,C,ok\n",
        "goldmine:R1",
        &[("kind", "call"), ("at", "2026-04-02T00:00:00Z")],
    ),
];

#[tokio::test]
async fn what_each_program_exports_becomes_records() {
    for (preset, kind, file, found_by, fields) in SAMPLES {
        let desk = Desk::new();
        let mapping = Mapping::parse(presets::text(preset).unwrap(), *kind)
            .unwrap_or_else(|error| panic!("{preset}: {error}"));
        for expected in ["created", "unchanged"] {
            let report = desk.import_as(*kind, file, Some(&mapping)).await.unwrap();
            assert_eq!(report.rejected, [], "{preset} {kind:?}");
            let main = match kind {
                Kind::Account => report.accounts,
                _ => report.others,
            };
            let count = match expected {
                "created" => main.created,
                _ => main.unchanged,
            };
            assert_eq!(count, 1, "{preset} {kind:?} {expected}: {report:?}");
            let left_out = report
                .notes
                .iter()
                .any(|note| note.text.contains("nobody takes"));
            assert!(!left_out, "{preset} {kind:?}: {:?}", report.notes);
        }
        let record = desk.find(*kind, found_by).await;
        for (field, text) in *fields {
            let spec = kind.spec().field(field).unwrap();
            let is = spec
                .kind
                .write(record.get(field).unwrap(), record.text("currency"));
            assert_eq!(is, *text, "{preset} {kind:?} {field}");
        }
    }
    let covered = |preset: &str| SAMPLES.iter().filter(|sample| sample.0 == preset).count();
    assert!(presets::names().iter().all(|preset| covered(preset) == 4));
}
