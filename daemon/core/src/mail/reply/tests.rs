use super::*;

mod markup;
mod programs;

/// (name, text, reply, a word of the quote or "", a word of the signature or "").
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

fn check(rows: &[Row]) {
    let mut wrong = Vec::new();
    for (name, text, reply, quoted, signature) in rows {
        let parts = divide_text(text);
        if parts.reply != *reply
            || !parts.quoted.contains(quoted)
            || !parts.signature.contains(signature)
            || (quoted.is_empty() && !parts.quoted.is_empty())
            || (signature.is_empty() && !parts.signature.is_empty())
        {
            wrong.push(format!("{name}: {parts:#?}\nwanted reply {reply:?}"));
        }
        let whole: String = parts
            .spans
            .iter()
            .map(|s| text.get(s.start..s.end).unwrap())
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(whole, *text, "{name}: the spans cover the text");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn attributions_of_many_programs_and_languages_introduce_quotes() {
    for (name, attribution) in [
        ("old gmail", "2026/3/2 Alice Example <alice@example.com>:"),
        (
            "zoho",
            "---- On Mon, 02 Mar 2026 10:00:00 +0100 Alice Example <alice@example.com> wrote ----",
        ),
        (
            "mail.ru",
            "Понедельник, 2 марта 2026, 10:00 +03:00 от Alice Example <alice@example.com>:",
        ),
        (
            "gmail",
            "On Mon, Mar 2, 2026 at 10:00 AM Alice Example <alice@example.com> wrote:",
        ),
        (
            "gmail wrapped",
            "On Mon, Mar 2, 2026 at 10:00 AM Alice Example, Head of Purchasing <\nalice@example.com> wrote:",
        ),
        (
            "gmail wrapped twice",
            "On Mon, Mar 2, 2026 at 10:00 AM Alice Example via Purchasing\n<purchasing-and-more@example.com>\nwrote:",
        ),
        (
            "apple",
            "On 2 Mar 2026, at 10:00, Alice Example <alice@example.com> wrote:",
        ),
        ("thunderbird", "On 3/2/26 10:00 AM, Alice Example wrote:"),
        (
            "yahoo",
            "    On Monday, March 2, 2026 at 10:00:00 AM GMT+1, Alice <alice@example.com> wrote:",
        ),
        (
            "lotus",
            "Alice Example/EXAMPLE wrote on 03/02/2026 10:00:00 AM:",
        ),
        (
            "mutt",
            "* Alice Example <alice@example.com> wrote on [2026-03-02 10:00:00 +0100]:",
        ),
        (
            "german gmail",
            "Am Mo., 2. März 2026 um 10:00 Uhr schrieb Alice Example <alice@example.com>:",
        ),
        (
            "german apple",
            "Am 02.03.2026 um 10:00 schrieb Alice Example <alice@example.com>:",
        ),
        (
            "german thunderbird",
            "Am 02.03.26 um 10:00 schrieb Alice Example:",
        ),
        (
            "german outlook",
            "Alice Example schrieb am 02.03.2026 10:00:",
        ),
        (
            "french gmail",
            "Le lun. 2 mars 2026 à 10:00, Alice Example <alice@example.com> a écrit :",
        ),
        (
            "french apple",
            "Le 2 mars 2026 à 10:00, Alice Example <alice@example.com> a écrit :",
        ),
        (
            "spanish",
            "El lun, 2 mar 2026 a las 10:00, Alice Example (<alice@example.com>) escribió:",
        ),
        (
            "portuguese",
            "Em seg., 2 de mar. de 2026 às 10:00, Alice Example <alice@example.com> escreveu:",
        ),
        (
            "italian",
            "Il giorno lun 2 mar 2026 alle ore 10:00 Alice Example <alice@example.com> ha scritto:",
        ),
        (
            "dutch gmail",
            "Op ma 2 mrt 2026 om 10:00 schreef Alice Example <alice@example.com>:",
        ),
        (
            "dutch apple",
            "Op 2 mrt. 2026, om 10:00 heeft Alice Example <alice@example.com> het volgende geschreven:",
        ),
        (
            "danish",
            "Den man. 2. mar. 2026 kl. 10.00 skrev Alice Example <alice@example.com>:",
        ),
        (
            "norwegian",
            "man. 2. mars 2026 kl. 10:00 skrev Alice Example <alice@example.com>:",
        ),
        (
            "swedish",
            "Den mån 2 mars 2026 kl 10:00 skrev Alice Example <alice@example.com>:",
        ),
        (
            "finnish",
            "ma 2. maalisk. 2026 klo 10.00 Alice Example (alice@example.com) kirjoitti:",
        ),
        (
            "polish gmail",
            "pon., 2 mar 2026 o 10:00 Alice Example <alice@example.com> napisał(a):",
        ),
        (
            "polish thunderbird",
            "W dniu 2.03.2026 o 10:00, Alice Example pisze:",
        ),
        (
            "russian",
            "пн, 2 мар. 2026 г. в 10:00, Alice Example <alice@example.com>:",
        ),
        ("russian verb", "02.03.2026 10:00, Alice Example пишет:"),
        (
            "czech",
            "po 2. 3. 2026 v 10:00 odesílatel Alice Example <alice@example.com> napsal:",
        ),
        (
            "turkish",
            "Alice Example <alice@example.com>, 2 Mar 2026 Pzt, 10:00 tarihinde şunu yazdı:",
        ),
        (
            "chinese",
            "Alice Example <alice@example.com> 于2026年3月2日周一 10:00写道：",
        ),
        (
            "japanese",
            "2026年3月2日(月) 10:00 Alice Example <alice@example.com>:",
        ),
        (
            "korean",
            "2026년 3월 2일 (월) 오전 10:00, Alice Example <alice@example.com>님이 작성:",
        ),
        (
            "hungarian",
            "Alice Example <alice@example.com> ezt írta (időpont: 2026. márc. 2., H, 10:00):",
        ),
    ] {
        for quote in ["> Could you come?\n> \n> Alice", "Could you come?\n\nAlice"] {
            let text = format!("Yes, at noon.\n\n{attribution}\n\n{quote}\n");
            let parts = divide_text(&text);
            assert_eq!(parts.reply, "Yes, at noon.", "{name}: {parts:#?}");
            assert!(parts.quoted.contains("Could you come?"), "{name}");
        }
    }
}

#[test]
fn header_blocks_end_the_reply_in_every_language() {
    for (name, block) in [
        (
            "english",
            "From: Alice Example <alice@example.com>\nSent: Monday, March 2, 2026 10:00 AM\nTo: Bob\nSubject: Visit",
        ),
        (
            "bold",
            "*From:* Alice Example <alice@example.com>\n*Sent:* Monday, March 2, 2026 10:00 AM\n*To:* Bob\n*Subject:* Visit",
        ),
        (
            "underscores",
            "________________________________\nFrom: Alice <alice@example.com>\nSent: Monday\nTo: Bob <bob@example.net>\nSubject: Visit",
        ),
        (
            "dashes",
            "-----Original Message-----\nFrom: Alice\nSent: Monday\nTo: Bob\nSubject: Visit",
        ),
        (
            "german",
            "Von: Alice Example <alice@example.com>\nGesendet: Montag, 2. März 2026 10:00\nAn: Bob <bob@example.net>\nBetreff: Besuch",
        ),
        (
            "german dashes",
            "-----Ursprüngliche Nachricht-----\nVon: Alice\nGesendet: Montag\nAn: Bob\nBetreff: Besuch",
        ),
        (
            "french",
            "De : Alice Example <alice@example.com>\nEnvoyé : lundi 2 mars 2026 10:00\nÀ : Bob\nObjet : Visite",
        ),
        (
            "spanish",
            "De: Alice\nEnviado el: lunes, 2 de marzo de 2026 10:00\nPara: Bob\nAsunto: Visita",
        ),
        (
            "portuguese",
            "De: Alice\nEnviada em: segunda-feira, 2 de março de 2026 10:00\nPara: Bob\nAssunto: Visita",
        ),
        (
            "italian",
            "Da: Alice\nInviato: lunedì 2 marzo 2026 10:00\nA: Bob\nOggetto: Visita",
        ),
        (
            "dutch",
            "Van: Alice\nVerzonden: maandag 2 maart 2026 10:00\nAan: Bob\nOnderwerp: Bezoek",
        ),
        (
            "danish",
            "Fra: Alice\nSendt: 2. marts 2026 10:00\nTil: Bob\nEmne: Besøg",
        ),
        (
            "swedish",
            "Från: Alice\nSkickat: den 2 mars 2026 10:00\nTill: Bob\nÄmne: Besök",
        ),
        (
            "finnish",
            "Lähettäjä: Alice\nLähetetty: 2. maaliskuuta 2026 10.00\nVastaanottaja: Bob\nAihe: Käynti",
        ),
        (
            "polish",
            "Od: Alice\nWysłano: poniedziałek, 2 marca 2026 10:00\nDo: Bob\nTemat: Wizyta",
        ),
        (
            "russian",
            "От: Alice\nОтправлено: 2 марта 2026 г. 10:00\nКому: Bob\nТема: Визит",
        ),
        (
            "chinese",
            "发件人: Alice\n发送时间: 2026年3月2日 10:00\n收件人: Bob\n主题: 访问",
        ),
        (
            "japanese",
            "差出人: Alice\n送信日時: 2026年3月2日 10:00\n宛先: Bob\n件名: 訪問",
        ),
        (
            "qq",
            "------------------ 原始邮件 ------------------\n发件人: \"Alice\" <alice@example.com>;\n发送时间: 2026年3月2日 10:00\n收件人: \"Bob\"<bob@example.net>;\n主题: 访问",
        ),
        (
            "gmail forward",
            "---------- Forwarded message ---------\nFrom: Alice <alice@example.com>\nDate: Mon, Mar 2, 2026\nSubject: Visit\nTo: Bob",
        ),
        (
            "apple forward",
            "Begin forwarded message:\n\nFrom: Alice <alice@example.com>\nSubject: Visit\nDate: 2 March 2026\nTo: Bob",
        ),
        (
            "thunderbird forward",
            "-------- Forwarded Message --------\nSubject: Visit\nDate: Mon, 2 Mar 2026\nFrom: Alice\nTo: Bob",
        ),
        (
            "blackberry",
            "-----Original Message-----\nFrom: Alice\nDate: Mon, 2 Mar 2026\nTo: Bob\nSubject: Visit",
        ),
        (
            "helpdesk",
            "##- Please type your reply above this line -##\n\nYour request has been updated.",
        ),
    ] {
        let text = format!("Hi Alice,\n\nyes.\n\nBob\n\n{block}\n\nCould you come?\n");
        let parts = divide_text(&text);
        assert_eq!(
            parts.reply, "Hi Alice,\n\nyes.\n\nBob",
            "{name}: {parts:#?}"
        );
        assert!(parts.quoted.contains("Could you come?"), "{name}");
    }
}

#[test]
fn answers_between_quotes_are_kept() {
    check(&[
        (
            "text right above the attribution",
            "So yes, sounds good.\nOn Tue, 2011-03-01 at 18:02 +0530, Alice Example wrote:\n> Hi\n\nSee below.\n",
            "So yes, sounds good.\n\nSee below.",
            "Hi",
            "",
        ),
        (
            "text right above a wrapped attribution",
            "Mar 3 is fine.\nOn Dec 16, 2011, at 12:47 PM, Alice Example\n<reply@example.com>\nwrote:\n\n> Hi\n",
            "Mar 3 is fine.",
            "Hi",
            "",
        ),
        (
            "gmail without colon",
            "Yes.\n\n2012/4/19 Alice <alice@example.com>\n\n> Come?\n",
            "Yes.",
            "Come?",
            "",
        ),
        (
            "proton",
            "Yes.\n\n‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Monday, March 2nd, 2026 at 10:00, Alice <alice@example.com> wrote:\n\n> Come?\n",
            "Yes.",
            "Come?",
            "",
        ),
        (
            "outlook with rule",
            "Yes.\n\n ------------------------------\n*From:* Alice [mailto:alice@example.com]\n*Sent:* Thursday\n*To:* bob@example.net\n*Subject:* Visit\n\nCome?\n",
            "Yes.",
            "Come?",
            "",
        ),
        (
            "inline",
            "On Mon, Mar 2, 2026 at 10:00 AM Alice <alice@example.com> wrote:\n> First?\n\nYes.\n\n> Second?\n\nNo.\n\n> Bye\n",
            "Yes.\n\nNo.",
            "Second?",
            "",
        ),
        (
            "tight inline",
            "> First?\nYes.\n> Second?\nNo.\n",
            "Yes.\nNo.",
            "First?",
            "",
        ),
        (
            "bottom posted",
            "Am 02.03.26 um 10:00 schrieb Alice Example:\n> Kommst du?\n> Alice\n\nJa, gern.\n\n-- \nBob Beispiel\n",
            "Ja, gern.",
            "Kommst du?",
            "Bob Beispiel",
        ),
        (
            "greeting above, answers inside",
            "Hello Alice, see below.\n\nOn Mon, Mar 2, 2026 at 10:00 AM Alice <alice@example.com> wrote:\n\n> First?\n\nYes.\n",
            "Hello Alice, see below.\n\nYes.",
            "First?",
            "",
        ),
        (
            "quote without marks at the top is kept",
            "On Mon, Mar 2, 2026 at 10:00 AM Alice <alice@example.com> wrote:\n\nCome!\n\nI will.\n",
            "Come!\n\nI will.",
            "Alice",
            "",
        ),
        (
            "mbox escape",
            "Hello\n>From here it is easy.\n",
            "Hello\nFrom here it is easy.",
            "",
            "",
        ),
        (
            "outlook with marks",
            "-----Original Message-----\n> From: Alice\n> Sent: Monday\n>\n> Come?\n\nYes.\n",
            "Yes.",
            "Come?",
            "",
        ),
    ]);
}

#[test]
fn prose_that_looks_like_a_quote_or_signature_stays() {
    for text in [
        "Here is another email\n\nSent from my desk, is much easier then my mobile phone.",
        "Sounds good\nOn 3 March I can come, and as Bob wrote:\nwe need it.",
        "Please book:\nFrom: Berlin\nTo: Hamburg\nDate: 3 March\n\nThanks!",
        "Plan:\nSubject: Kick-off\nDate: 3 March\nFrom: 10:00\nTo: 11:00\n\nOk?",
        "Before disclosure we need the confidentiality agreement.\n\nPlease sign the confidential agreement, see the attachments of this email, and send it back. Disclosure starts after that, this message is for you.",
        "Choices\n---\nfirst one\nsecond one",
        "Hi,\n\nOn Monday Bob wrote: we cannot come.\n\nWhat now?",
        "Here is what I need:\n\n- one\n- two\n\nThanks!",
        "From: the bottom of my heart\n\nThank you!",
        "From what I know:\nTo do this we need time.",
        "Bob wrote the following:\n\nNothing.",
        "Options\n--\none is cheap, but is it any good?\nanother is better. I would take it if I were you.",
        "I was sent from my office to yours, is that right?",
        "Thanks!\n\nBob",
        "Thanks\nBob\n\nPS: look at https://example.com/a?b=c when you can",
        "Best regards,\nBob\n\nP.S. call me at +49 30 1234567",
        "Dear Alice,\n\nthis message is confidential, please do not tell anybody. It has attachments; if you are not the right person, tell me.",
        "Meet us:\n\nDate: 2 March\nTime: 10:00\nPlace: here",
        "Tell me when 12345 arrives.\n\nRegards\nBob\nTell 123456 people",
        "Subject: this is a subject\nand this is text",
        "Is it ok?\n\n---\n\nAnother section follows, with many words in it, and it ends with a full stop. Is it ok?",
        "Our travel plan:\n\nFrom: Frankfurt (FRA)\nTo: Lisbon (LIS)\nDate: 2 November 2026\nSubject: site visit\n\nCould you pick us up?",
        "See:\n\n```\nif a > b:\n> no quote\n```\n\nWhat is wrong?",
        "Look:\n\n-- \nThis stands below a rule.\n\nIs that acceptable?",
        "Guten Tag,\n\nIhr Kollege schrieb am 2. November 2026:\n\nDas geht.",
        "Hello,\n\nOn Monday, 2 November 2026 my colleague wrote:\n\nIt works.",
        "Gesendet hatte ich das schon am Montag von meinem Büro aus. Kam es an?",
    ] {
        let parts = divide_text(text);
        assert_eq!(parts.reply, text, "{parts:#?}");
    }
}

#[test]
fn signatures_are_told_from_the_reply() {
    check(&[
        (
            "contact data above an outlook block",
            "Dear Alice,\n\nwe accept.\n\nBest regards\n\nBob Smith\nHead of IT\n\nExample Ltd | 1 High Street | London\nTel. +44 20 1234567 | bob@example.net | www.example.net\n\nVon: Alice <a@example.com> \nGesendet: Montag, 2. März 2026 10:00\nAn: Bob <bob@example.net>\nCc: Carol <c@example.com>\nBetreff: AW: Offer\n\nHi\n",
            "Dear Alice,\n\nwe accept.\n\nBest regards\n\nBob Smith",
            "Hi",
            "High Street",
        ),
        (
            "german contact data",
            "Hallo Alice,\n\nja, passt.\n\nMit freundlichen Grüßen\ni.A. Bob Beispiel\n\nBeispiel GmbH\nHauptstr. 1\n10115 Berlin\nTelefon: 030 1234567\n\nGeschäftsführer: Carl Beispiel\nAmtsgericht Berlin HRB 1234\n",
            "Hallo Alice,\n\nja, passt.\n\nMit freundlichen Grüßen\ni.A. Bob Beispiel",
            "",
            "HRB",
        ),
        (
            "outlook for android above an underscore rule",
            "Yes.\n\nGet Outlook for Android<https://aka.ms/AAb9ysg>\n________________________________\nFrom: Alice <a@example.com>\nSent: Monday, March 2, 2026 10:00:00 AM\nTo: Bob <bob@example.net>\nSubject: Visit\n\nHi\n",
            "Yes.",
            "Hi",
            "Android",
        ),
        (
            "inline answers with a signature",
            "Hi all,\n\n> What is the price?\n\n10 EUR.\n\n> And the date?\n\nMonday.\n\nCheers,\nBob\n-- \nBob | Example\n",
            "Hi all,\n\n10 EUR.\n\nMonday.\n\nCheers,\nBob",
            "price",
            "Example",
        ),
        (
            "excuse",
            "Yes.\n\nSent from my iPhone, please excuse typos\n",
            "Yes.",
            "",
            "typos",
        ),
        (
            "blackberry",
            "Yes.\n\nSent from my BlackBerry® wireless device\n",
            "Yes.",
            "",
            "BlackBerry",
        ),
        (
            "delimiter",
            "Yes.\n\n-- \nBob Example\nExample Ltd\n+44 20 1234567\n",
            "Yes.",
            "",
            "Example Ltd",
        ),
        (
            "loose delimiter",
            "Yes.\n\n--\nBob Example\nwww.example.net\n",
            "Yes.",
            "",
            "Bob",
        ),
        (
            "iphone",
            "Yes.\n\nSent from my iPhone\n",
            "Yes.",
            "",
            "iPhone",
        ),
        (
            "iphone and quote",
            "Yes.\n\nSent from my iPhone\n\n> On 2 Mar 2026, at 10:00, Alice <alice@example.com> wrote:\n> \n> Come?\n",
            "Yes.",
            "Come?",
            "iPhone",
        ),
        (
            "german iphone",
            "Ja.\n\nVon meinem iPhone gesendet\n",
            "Ja.",
            "",
            "iPhone",
        ),
        (
            "samsung",
            "Ja.\n\n\nVon meinem Samsung Galaxy Smartphone gesendet.\n",
            "Ja.",
            "",
            "Samsung",
        ),
        (
            "french iphone",
            "Oui.\n\nEnvoyé de mon iPhone\n",
            "Oui.",
            "",
            "iPhone",
        ),
        (
            "spanish",
            "Sí.\n\nEnviado desde mi iPhone\n",
            "Sí.",
            "",
            "iPhone",
        ),
        (
            "portuguese",
            "Sim.\n\nEnviado do meu iPhone\n",
            "Sim.",
            "",
            "iPhone",
        ),
        ("italian", "Sì.\n\nInviato da iPhone\n", "Sì.", "", "iPhone"),
        (
            "dutch",
            "Ja.\n\nVerstuurd vanaf mijn iPhone\n",
            "Ja.",
            "",
            "iPhone",
        ),
        (
            "danish",
            "Ja.\n\nSendt fra min iPhone\n",
            "Ja.",
            "",
            "iPhone",
        ),
        (
            "swedish",
            "Ja.\n\nSkickat från min iPhone\n",
            "Ja.",
            "",
            "iPhone",
        ),
        (
            "polish",
            "Tak.\n\nWysłane z iPhone'a\n",
            "Tak.",
            "",
            "iPhone",
        ),
        (
            "russian",
            "Да.\n\nОтправлено с iPhone\n",
            "Да.",
            "",
            "iPhone",
        ),
        (
            "chinese",
            "好的。\n\n发自我的 iPhone\n",
            "好的。",
            "",
            "iPhone",
        ),
        (
            "japanese",
            "はい。\n\niPhoneから送信\n",
            "はい。",
            "",
            "iPhone",
        ),
        (
            "outlook for ios",
            "Yes.\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n",
            "Yes.",
            "",
            "Outlook",
        ),
        (
            "windows mail",
            "Yes.\n\nSent from Mail for Windows 10\n",
            "Yes.",
            "",
            "Windows",
        ),
        (
            "yahoo app",
            "Yes.\n\nSent from Yahoo Mail on Android\n",
            "Yes.",
            "",
            "Yahoo",
        ),
        (
            "gmx",
            "Ja.\n--\nDiese Nachricht wurde von meinem Android Mobiltelefon mit GMX Mail gesendet.\n",
            "Ja.",
            "",
            "GMX",
        ),
        (
            "proton",
            "Yes.\n\nSent with Proton Mail secure email.\n",
            "Yes.",
            "",
            "Proton",
        ),
        (
            "contact data",
            "Dear Alice,\n\nyes.\n\nBest regards,\nBob Example\n\nExample Ltd\n1 High Street\nTel: +44 20 1234567\nwww.example.net\n",
            "Dear Alice,\n\nyes.\n\nBest regards,\nBob Example",
            "",
            "High Street",
        ),
        (
            "legal notice",
            "Yes.\n\nBob\n\nThis e-mail and any attachments are confidential and intended solely for the addressee. If you are not the intended recipient please notify the sender and delete it.\n",
            "Yes.\n\nBob",
            "",
            "confidential",
        ),
        (
            "german notice",
            "Ja.\n\n________________\nDiese E-Mail enthält vertrauliche und/oder rechtlich geschützte Informationen. Wenn Sie nicht der richtige Adressat sind oder diese E-Mail irrtümlich erhalten haben, informieren Sie bitte sofort den Absender und vernichten Sie diese Mail.\n",
            "Ja.",
            "",
            "vertraulich",
        ),
        (
            "list footer",
            "Yes.\n\nBob\n_______________________________________________\nusers mailing list\nusers@lists.example.com\nhttps://lists.example.com/mailman/listinfo/users\n",
            "Yes.\n\nBob",
            "",
            "mailing list",
        ),
        (
            "signature above an outlook quote",
            "Yes.\n\nRegards\n\n-- \nBob\n\nFrom: Alice <alice@example.com>\nSent: Monday\nTo: Bob\nSubject: Visit\n\nCome?\n",
            "Yes.\n\nRegards",
            "Come?",
            "Bob",
        ),
    ]);
}

#[test]
fn a_message_that_answers_nothing_keeps_signs_of_its_own() {
    for text in [
        "Our conditions:\n> 100 pieces: 5 percent off\n> 500 pieces: 10 percent off\nIs that acceptable?",
        "These headers:\n\nFrom: alice@example.com\nTo: bob@example.net\nDate: Mon, 2 Nov 2026 10:00:00 +0100\nSubject: Visit\n\nWhat is wrong?",
    ] {
        let writing = Writing {
            answers: false,
            name: None,
        };
        let parts = divide(text, &[], &writing);
        assert_eq!(parts.reply, text, "{parts:#?}");
    }
}
