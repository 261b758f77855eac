//! What mail programs, phones and helpdesks write around a reply, one oddity per row.

use crate::mail::reply::{Writing, divide, divide_text};

const QUOTED: &str = "> Could you come on Friday?\n> Alice\n";

#[test]
fn introductions_end_the_reply_whatever_their_language_and_blanks() {
    for (name, introduction) in [
        (
            "no-break space before the colon",
            "Le lun. 2 mars 2026 à 10:00, Alice Example <alice@example.com> a écrit\u{a0}:",
        ),
        (
            "narrow no-break space in the time",
            "On Mon, Mar 2, 2026 at 10:00\u{202f}AM Alice Example <alice@example.com> wrote:",
        ),
        (
            "accents as characters of their own",
            "Le 2 mars 2026 à 10:00, Alice <alice@example.com> a e\u{301}crit :",
        ),
        (
            "turkish, wrapped behind the name",
            "Alice Example <alice@example.com>, 2 Mar 2026 Pzt, 10:00 tarihinde şunu\nyazdı:",
        ),
        (
            "hungarian, wrapped",
            "Alice Example <alice@example.com> ezt írta (időpont: 2026. márc. 2., H,\n10:00):",
        ),
        (
            "vietnamese, the verb wrapped",
            "Vào Th 2, 2 thg 3, 2026 vào lúc 10:00 Alice Example <alice@example.com> đã\nviết:",
        ),
        (
            "arabic, with its digits",
            "في الاثنين، ٢ مارس ٢٠٢٦ في ١٠:٠٠ ص تمت كتابة ما يلي بواسطة Alice Example <\nalice@example.com>:",
        ),
        (
            "hebrew without a verb",
            "בתאריך יום ב׳, 2 במרץ 2026 ב-10:00 מאת Alice Example <alice@example.com>:",
        ),
        (
            "thai",
            "เมื่อ จ. 2 มี.ค. 2026 เวลา 10:00 Alice Example <alice@example.com> เขียนว่า:",
        ),
        (
            "indonesian",
            "Pada Sen, 2 Mar 2026 pukul 10.00 Alice Example <alice@example.com> menulis:",
        ),
        (
            "greek",
            "Στις Δευ 2 Μαρ 2026 στις 10:00 π.μ., ο χρήστης Alice Example <\nalice@example.com> έγραψε:",
        ),
        (
            "croatian",
            "pon, 2. ožu 2026. u 10:00 Alice Example <alice@example.com> napisao/la je:",
        ),
        (
            "catalan, without a verb",
            "Missatge de Alice Example <alice@example.com> del dia dl., 2 de març 2026 a les 10:00:",
        ),
        ("tuta", "2. März 2026, 10:00 von alice@example.com:"),
        (
            "roundcube in chinese",
            "Alice Example 於 2026-03-02 10:00 寫到:",
        ),
        (
            "fairemail, month first",
            "Mar 2, 2026 10:00:00 AM Alice Example <alice@example.com>:",
        ),
        ("horde", "Quoting Alice Example <alice@example.com>:"),
        (
            "horde in german",
            "Zitat von Alice Example <alice@example.com>:",
        ),
        (
            "a delimiter above",
            "--\nOn Mon, Mar 2, 2026 at 10:00 AM, Support <support@example.com> wrote:",
        ),
    ] {
        let text = format!("Yes, at noon.\n\n{introduction}\n\n{QUOTED}");
        let parts = divide_text(&text);
        assert_eq!(parts.reply, "Yes, at noon.", "{name}: {parts:#?}");
        assert!(parts.quoted.contains("Friday"), "{name}");
    }
}

#[test]
fn text_that_no_sign_marks_goes_with_its_introduction() {
    for (name, quoted) in [
        (
            "yahoo's app, text behind the colon",
            "  On Mon, Mar 2, 2026 at 10:00, Alice Example<alice@example.com> wrote:   Hello,\ncould you come?",
        ),
        (
            "groupwise",
            ">>> Alice Example <alice@example.com> 3/2/2026 10:00 AM >>>\nHello,\ncould you come?",
        ),
        (
            "groupwise, the day first",
            ">>> Alice Example 02.03.2026 10:00 >>>\nHello,\ncould you come?",
        ),
        (
            "groupwise with a verb",
            ">>> On 3/2/2026 at 10:00 AM, in message <4A@gw>, Alice <alice@example.com> wrote:\n\nHello,\ncould you come?",
        ),
        (
            "hotmail's rule above marked lines",
            "________________________________\n> From: alice@example.com\n> Subject: Visit\n>\n> could you come?",
        ),
        (
            "zimbra in french",
            "----- Mail original -----\nDe: \"Alice\" <alice@example.com>\nÀ: \"Bob\" <bob@example.net>\nEnvoyé: Lundi 2 Mars 2026 10:00:00\nObjet: Visite\n\ncould you come?",
        ),
        (
            "seznam",
            "---------- Původní e-mail ----------\nOd: Alice <alice@example.com>\nKomu: bob@example.net\nDatum: 2. 3. 2026 10:00:00\nPředmět: Visit\ncould you come?",
        ),
        (
            "dashes around words no list knows",
            "----- Aurreko mezua -----\nFrom: Alice <alice@example.com>\nTo: bob@example.net\nDate: 2 Mar 2026\nSubject: Visit\n\ncould you come?",
        ),
        (
            "zendesk in german",
            "##- Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein. -##\n\ncould you come?",
        ),
        (
            "lotus notes, labels on their own lines",
            "Alice Example <alice@example.com>\n02/03/2026 10:00\n\nTo\nBob Example/Example@Example\ncc\n\nSubject\nVisit\n\n\ncould you come?",
        ),
        (
            "slovak block",
            "Od: Alice <alice@example.com>\nOdoslané: pondelok 2. marca 2026 10:00\nKomu: Bob\nPredmet: Visit\n\ncould you come?",
        ),
        (
            "greek block",
            "Από: Alice <alice@example.com>\nΣτάλθηκε: Δευτέρα, 2 Μαρτίου 2026 10:00\nΠρος: Bob\nΘέμα: Visit\n\ncould you come?",
        ),
    ] {
        let parts = divide_text(&format!("Yes, at noon.\n\n{quoted}\n"));
        assert_eq!(parts.reply, "Yes, at noon.", "{name}: {parts:#?}");
        assert!(parts.quoted.contains("come?"), "{name}");
    }
}

#[test]
fn other_quoting_signs_are_known() {
    for (name, text, reply) in [
        (
            "initials",
            "On Mon, 2 Mar 2026, Alice Example wrote:\n\nAE> Shall we meet?\nAE> On Friday?\n\nYes, at noon.\n",
            "Yes, at noon.",
        ),
        (
            "bars",
            "Good idea.\n\nAlice Example wrote on 2 March 2026:\n| Hello,\n| shall we meet?\n|\n| Alice\n",
            "Good idea.",
        ),
        (
            "a table of one's own",
            "Prices as of 2 March 2026:\n| oak | 300 |\n| pine | 200 |\n",
            "Prices as of 2 March 2026:\n| oak | 300 |\n| pine | 200 |",
        ),
        (
            "one line with capitals is no quote",
            "Our rule:\n\nAB> stays\n\nOk?",
            "Our rule:\n\nAB> stays\n\nOk?",
        ),
        (
            "a list of one's own",
            "Our conditions:\n> 100 pieces: 5 percent off\n> 500 pieces: 10 percent off\nIs that acceptable?\n",
            "Our conditions:\n> 100 pieces: 5 percent off\n> 500 pieces: 10 percent off\nIs that acceptable?",
        ),
    ] {
        let parts = divide_text(text);
        assert_eq!(parts.reply, reply, "{name}: {parts:#?}");
    }
}

#[test]
fn lines_above_an_introduction_are_not_taken_for_its_start() {
    for above in [
        "See my 2 answers below.",
        "On 2 points I agree.",
        "Le prix de 20 euros me va !",
        "Am 2. Punkt arbeiten wir noch.",
    ] {
        let text = format!(
            "{above}\nAlice Example <alice@example.com> schrieb am Mo., 2. März 2026, 10:00:\n\n{QUOTED}"
        );
        assert_eq!(divide_text(&text).reply, above);
    }
}

#[test]
fn apps_sign_in_every_language_and_with_links() {
    for line in [
        "Outlook für Android<https://aka.ms/AAb9ysg> herunterladen",
        "Téléchargez Outlook pour iOS<https://aka.ms/o0ukef>",
        "Obtener Outlook para iOS<https://aka.ms/o0ukef>",
        "Outlook voor iOS downloaden<https://aka.ms/o0ukef>",
        "Sent with [Proton Mail](https://proton.me/mail/home) secure email.",
        "Sent via Superhuman ( https://sprh.mn/?vip=bob@example.net )",
        "Sent with Newton Mail",
        "Sent from Edison Mail",
        "Sent with Mailspring (https://getmailspring.com/)",
        "Sent from my Galaxy",
        "Von meiner Smartwatch gesendet",
        "Gesendet mithilfe von Outlook für Mac",
        "Envoyé via l'application Mail",
        "Enviado usando iPad",
        "Verstuurd via Outlook voor Android",
        "Odesláno pomocí Outlook pro Android",
        "Στάλθηκε από το iPhone μου",
        "נשלח מה-iPhone שלי",
        "ส่งจาก iPhone ของฉัน",
        "私のiPhoneから送信",
        "나의 iPad에서 보냄",
    ] {
        let parts = divide_text(&format!("Yes.\n\n{line}\n"));
        assert_eq!(parts.reply, "Yes.", "{parts:#?}");
        assert_eq!(parts.signature, line);
    }
    for line in [
        "Sent from my office yesterday, did it arrive?",
        "Gesendet wurde es von Herrn Meier in der letzten Woche.",
    ] {
        let parts = divide_text(&format!("Yes.\n\n{line}\n"));
        assert_eq!(parts.reply, format!("Yes.\n\n{line}"), "{parts:#?}");
    }
}

/// Text, and how much of it is reply when Bob Example wrote it.
const SIGNED: &[(&str, &str, &str)] = &[
    (
        "closing and name without contact data",
        "Yes, go ahead.\n\nBest regards,\nBob Example\n",
        "Yes, go ahead.\n\nBest regards,\nBob Example",
    ),
    (
        "closing and name above contact data",
        "Yes, go ahead.\n\nBest regards,\nBob Example\nHead of IT\n+44 20 1234567\n",
        "Yes, go ahead.\n\nBest regards,\nBob Example",
    ),
    (
        "closing with the name on its line",
        "Yes, go ahead.\n\nBest regards, Bob Example\nHead of IT\n+44 20 1234567\n",
        "Yes, go ahead.\n\nBest regards, Bob Example",
    ),
    (
        "closing and name above a delimiter",
        "Yes, go ahead.\n\nBest regards,\nBob\n-- \nBob Example\nExample Ltd\n",
        "Yes, go ahead.\n\nBest regards,\nBob",
    ),
    (
        "name, title, firm on one line",
        "Yes, go ahead.\n\nBob Example | Head of IT | Example Ltd\nT +44 20 1234567 | M +44 170 1234567\nwww.example.net\n",
        "Yes, go ahead.",
    ),
    (
        "own name without a closing",
        "Yes, go ahead.\n\nBob Example\nHead of IT\nExample Ltd\nTel. +44 20 1234567\n",
        "Yes, go ahead.",
    ),
    (
        "somebody else's data",
        "Please ask our man on site\n\nCarl Customer\nTel. +44 20 1234567\n",
        "Please ask our man on site\n\nCarl Customer\nTel. +44 20 1234567",
    ),
    (
        "one's own data, asked for",
        "Here you are:\n\nBob Example\nTel. +44 20 1234567\n",
        "Here you are:\n\nBob Example\nTel. +44 20 1234567",
    ),
    (
        "nothing but one's own data",
        "Bob Example\nExample Ltd\nTel. +44 20 1234567\n",
        "Bob Example\nExample Ltd\nTel. +44 20 1234567",
    ),
    (
        "long rule",
        "Yes, go ahead.\n\n--------------------------------\nBob Example\nExample Ltd\nTel: +44 20 1234567\nbob@example.net\n",
        "Yes, go ahead.",
    ),
    (
        "japanese frame",
        "承知いたしました。\nよろしくお願いいたします。\n\n=========================\n株式会社見本\n田中 太郎\nＴＥＬ：０３-１２３４-５６７８\ntanaka@example.net\n=========================\n",
        "承知いたしました。\nよろしくお願いいたします。",
    ),
    (
        "a form between rules",
        "Form data\n_____________________\nName: Example Ltd\nPhone: +44 20 1234567\n_____________________\nPlease confirm.\n",
        "Form data\n_____________________\nName: Example Ltd\nPhone: +44 20 1234567\n_____________________\nPlease confirm.",
    ),
    (
        "a heading above a rule",
        "Our office\n==========\n1 High Street\n+44 20 1234567\n",
        "Our office\n==========\n1 High Street\n+44 20 1234567",
    ),
    (
        "delimiters as bullets",
        "Agenda for Friday:\n\n-- \nOak table\n-- \nChairs\n\nPlease confirm each of these points.\n",
        "Agenda for Friday:\n\n-- \nOak table\n-- \nChairs\n\nPlease confirm each of these points.",
    ),
    (
        "a signature and a list's footer",
        "Yes, go ahead.\n-- \nBob Example\n-- \nYou received this message because you are subscribed to the Google Groups \"x\" group.\n",
        "Yes, go ahead.",
    ),
];

#[test]
fn closing_and_name_are_reply_and_contact_data_below_is_signature() {
    for (name, text, reply) in SIGNED {
        let writing = Writing {
            answers: true,
            name: Some("Bob Example"),
        };
        let parts = divide(text, &[], &writing);
        assert_eq!(parts.reply, *reply, "{name}: {parts:#?}");
    }
}
