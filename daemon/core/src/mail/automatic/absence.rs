//! Absence notes: how they are worded, when the person is back, whether the person left.

use std::sync::LazyLock;

use super::calendar_date::{Mention, mentions};
use super::{Facts, OutOfOffice};
use crate::mail::address::clean_text;

/// Characters of the text that are searched; notes say it at the top.
const MAX_SEARCHED_CHARS: usize = 4_000;

/// Subjects of automatic answers of any kind, lower case.
static AUTO_SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    automatic reply|auto reply|auto-reply|autoreply|auto response|auto-response|\
    automatic response|automated reply|autoresponse|auto:|[auto|(auto|automatische antwort|\
    automatische antwoord|automatisch antwoord|automatische rückantwort|antwort automatisch|\
    autom. antwort|réponse automatique|reponse automatique|respuesta automática|\
    respuesta automatica|resposta automática|resposta automatica|risposta automatica|\
    automatisk svar|automatiskt svar|autosvar|autosvar:|automaattinen vastaus|\
    automatyczna odpowiedź|odpowiedź automatyczna|autoodpowiedź|автоматический ответ|автоответ|\
    автовідповідь|automatická odpověď|automatikus válasz|otomatik yanıt|răspuns automat|自动回复|\
    自動回覆|自動返信|자동 회신|automatisk besvarelse|automatisches antwort"
        .split('|')
        .collect()
});

/// Subjects that say absence, lower case.
static ABSENCE_SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    out of office|out-of-office|out of the office|ooo|away from my mail|on vacation|vacation|\
    on holiday|on leave|annual leave|absent|away from the office|i am away|i'm away|out of town|\
    abwesenheit|abwesend|nicht im büro|im urlaub|urlaub|außer haus|bin im urlaub|absence|\
    en congé|congés|absent du bureau|absente|hors du bureau|fuera de la oficina|\
    fuera de oficina|ausente|ausencia|de vacaciones|vacaciones|ausência|fora do escritório|\
    fora do escritorio|de férias|férias|afwezig|afwezigheid|niet aanwezig|op vakantie|vakantie|\
    fuori ufficio|fuori sede|assente|assenza|in ferie|fravær|fraværende|ikke på kontoret|\
    på ferie|ferie|frånvaro|frånvarande|inte på kontoret|på semester|semester|nieobecność|\
    nieobecny|nieobecna|poza biurem|urlop|вне офиса|отсутств|в отпуске|poissaolo|lomalla|poissa|\
    不在|休假|外出"
        .split('|')
        .collect()
});

/// What the text of a note says, lower case.
static ABSENCE_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    out of office|out of the office|out-of-office|on vacation|on holiday|on annual leave|\
    on leave|parental leave|maternity leave|paternity leave|sick leave|away from the office|\
    away from my desk|currently away|will be away|i am away|i'm away|limited access to|\
    not in the office|return to the office|returning to the office|back in the office|\
    i will be back|i'll be back|i will return|i am travelling|i am traveling|i am currently out|\
    i'm currently out|out until|away until|on paid time off|on pto|public holiday|\
    office is closed|no access to my email|no access to email|will be out|nicht im büro|\
    im urlaub|außer haus|ausser haus|abwesend|nicht erreichbar|wieder im büro|wieder erreichbar|\
    wieder für sie da|elternzeit|auf dienstreise|nicht am arbeitsplatz|bin ich nicht|\
    wieder zurück|nicht im haus|absent du bureau|absente du bureau|suis absent|suis absente|\
    serai absent|serai absente|actuellement absent|en congé|en vacances|de retour|\
    hors du bureau|mon absence|fuera de la oficina|fuera de oficina|de vacaciones|estoy ausente|\
    estaré ausente|me encuentro fuera|mi ausencia|estaré de vuelta|regresaré|volveré|vacaciones|\
    fora do escritório|de férias|estou ausente|estarei ausente|minha ausência|regresso|\
    retornarei|estarei de volta|ausente|niet aanwezig|afwezig|niet op kantoor|op vakantie|\
    met vakantie|weer aanwezig|niet bereikbaar|mijn afwezigheid|weer bereikbaar|vakantie|\
    fuori ufficio|fuori sede|in ferie|sono assente|sarò assente|mia assenza|rientrerò|\
    sarò di ritorno|ufficio chius|ikke på kontoret|på ferie|er fraværende|ikke til stede|\
    tilbage på kontoret|tilbake på kontoret|holder ferie|har ferie|ute av kontoret|barselsorlov|\
    tilbage igen|inte på kontoret|på semester|har semester|är frånvarande|åter på kontoret|\
    tillbaka på kontoret|är ledig|föräldraledig|poza biurem|na urlopie|jestem nieobecn|\
    nieobecny|nieobecna|nie ma mnie w biurze|przebywam na|urlopie|będę nieobecn|\
    mojej nieobecności|в отпуске|вне офиса|отсутствую|буду отсутствовать|ei ole paikalla|\
    olen lomalla|poissa toimistolta|不在|休假|休暇"
        .split('|')
        .collect()
});

static LEFT_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    no longer with|no longer work|no longer employed|no longer at |no longer part of|\
    has left the|have left the company|left the company|left the organi|left our company|\
    not with the company any|not work here any|has moved on from|is no longer|nicht mehr für|\
    nicht mehr bei |nicht mehr im unternehmen|nicht mehr in unserem|unternehmen verlassen|\
    firma verlassen|nicht mehr tätig|ausgeschieden|nicht länger für|ne travaille plus|\
    ne fait plus partie|a quitté|ai quitté|ne suis plus|n'est plus au sein|n'est plus chez|\
    ya no trabaj|ya no forma parte|ha dejado la empresa|ya no pertenec|dejó la empresa|\
    não trabalha mais|já não trabalha|não faz mais parte|já não faz parte|deixou a empresa|\
    não trabalho mais|werkt niet meer|niet meer werkzaam|niet langer werkzaam|werk niet meer|\
    niet meer in dienst|uit dienst|non lavora più|non fa più parte|non lavoro più|\
    ha lasciato l'azienda|ikke længere|er fratrådt|har forladt|ikke lenger|har sluttet|\
    inte längre|har slutat|lämnat företaget|nie pracuje|nie pracuję|już nie pracuje|\
    больше не работа|ei ole enää|已离职|退職"
        .split('|')
        .collect()
});

/// Said of the person who is back on that day.
static BACK: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    back|return|returning|returns|resume|resuming|available|reachable|again|zurück|zurueck|\
    wieder|ab|erreichbar|retour|reviens|reviendrai|partir|rentre|rentrerai|vuelvo|volveré|\
    regreso|regresaré|vuelta|reincorporo|reincorporaré|volto|voltarei|retorno|retornarei|\
    regresso|regressarei|volta|terug|weer|vanaf|torno|tornerò|rientro|rientrerò|ritorno|tilbage|\
    tilbake|igen|igjen|åter|tillbaka|wracam|wrócę|powrót|powracam|ponownie|dostępny|dostępna|\
    вернусь|возвращаюсь|takaisin|palaan"
        .split('|')
        .collect()
});

/// Said of the last day away.
static UNTIL: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    until|till|til|through|thru|to|bis|jusqu|jusqu'au|jusqu’au|hasta|até|ate|tot|fino|sino|\
    indtil|tom|tills|do|до|asti|incluido|inclusive|al|au"
        .split('|')
        .collect()
});

/// Words between those and the date.
static BETWEEN: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    on|the|and|including|zum|dem|den|der|am|einschließlich|inkl|einschl|le|la|el|día|dia|em|no|\
    o|de|del|du|au|a|al|il|op|med|og|d|dnia|dniu|w|og|och|met|en|of|incl|inclusive|ao|from|my|\
    in|office|midnight|s|around|as|um|uhr"
        .split('|')
        .collect()
});

/// Says how the wording shows an absence; `None` when it does not.
///
/// Without any header that says automatic, only a subject that begins with the phrase counts, and
/// only in an answer, before a colon, as a whole, or together with the text.
pub(super) fn wording(facts: &Facts<'_>) -> Option<String> {
    let subject = facts.subject.to_lowercase();
    let absence = ABSENCE_SUBJECTS
        .iter()
        .find_map(|p| Some((p, subject.strip_prefix(p)?)));
    let auto = AUTO_SUBJECTS
        .iter()
        .find_map(|p| Some((p, subject.strip_prefix(p)?)));
    let marked = facts.header.has("X-Autoreply")
        || facts
            .header
            .text("Auto-Submitted")
            .is_some_and(|v| v.to_lowercase() != "no")
        || facts.header.has("X-Autorespond")
        || facts
            .header
            .text("Precedence")
            .is_some_and(|v| v.to_lowercase().contains("auto"));
    // Most mail ends here: the text is searched only where something points to a note.
    if absence.is_none() && auto.is_none() && !marked && !facts.null_return_path() {
        return None;
    }
    let text = searched(facts.text);
    let in_text = ABSENCE_WORDS.iter().find(|phrase| text.contains(**phrase));
    if let Some((phrase, rest)) = absence {
        let bordered = rest.is_empty()
            || rest
                .trim_start()
                .starts_with([':', '-', '–', '(', '!', '/']);
        let word_border = !rest.starts_with(char::is_alphabetic) || phrase.chars().count() > 9;
        if word_border && (marked || facts.is_answer() || bordered || in_text.is_some()) {
            return Some(format!("the subject says `{phrase}`"));
        }
    }
    if let (Some((phrase, _)), Some(words)) = (auto, in_text) {
        return Some(format!(
            "the subject says `{phrase}` and the text `{words}`"
        ));
    }
    if auto.is_some() && left(&text) {
        return Some("an automatic subject, and the text says that the person left".to_owned());
    }
    if let Some(phrase) = ABSENCE_SUBJECTS
        .iter()
        .filter(|p| p.chars().count() > 8)
        .find(|p| subject.contains(**p) && (auto.is_some() || marked))
    {
        return Some(format!("the subject says `{phrase}`"));
    }
    match in_text {
        Some(words) if marked || facts.null_return_path() => {
            Some(format!("the text says `{words}`"))
        }
        _ if marked && left(&text) => Some("the text says that the person left".to_owned()),
        _ => None,
    }
}

/// A subject that only automatic answers have.
pub(super) fn automatic_subject(facts: &Facts<'_>) -> Option<String> {
    let subject = facts.subject.to_lowercase();
    let (phrase, rest) = AUTO_SUBJECTS
        .iter()
        .find_map(|p| Some((p, subject.strip_prefix(p)?)))?;
    let border = rest.is_empty() || !rest.starts_with(char::is_alphanumeric);
    (border
        && (facts.is_answer()
            || rest.trim_start().starts_with([':', '：', ']', ')'])
            || rest.is_empty()))
    .then(|| format!("the subject says `{phrase}`"))
}

fn searched(text: &str) -> String {
    let text: String = text.chars().take(MAX_SEARCHED_CHARS).collect();
    clean_text(&text).to_lowercase().replace('’', "'")
}

fn left(text: &str) -> bool {
    LEFT_WORDS.iter().any(|phrase| text.contains(phrase))
}

/// Return date and departure, read from subject and text.
pub(super) fn details(facts: &Facts<'_>) -> OutOfOffice {
    let text = searched(&format!("{} . {}", facts.text, facts.subject));
    let left_company = left(&text);
    let Some(today) = written_on(facts) else {
        return OutOfOffice {
            returns_on: None,
            left_company,
        };
    };
    let english = ["the", "office", "will", "back"]
        .iter()
        .filter(|w| text.contains(**w))
        .count()
        >= 2;
    let american = english
        && facts
            .offset_minutes
            .is_some_and(|m| (-600..=-240).contains(&m));
    let back = return_day(&mentions(&text, today, american), today);
    OutOfOffice {
        returns_on: back.map(|day| day.to_string()),
        left_company,
    }
}

/// The day on which the note was written, where it was written.
fn written_on(facts: &Facts<'_>) -> Option<jiff::civil::Date> {
    let offset = i64::from(facts.offset_minutes.unwrap_or_default()).saturating_mul(60_000);
    let local = facts.date?.plus_millis(offset);
    Some(local.to_jiff().to_zoned(jiff::tz::TimeZone::UTC).date())
}

/// The day named as the return; else the day after the last day away.
fn return_day(found: &[Mention], today: jiff::civil::Date) -> Option<jiff::civil::Date> {
    let mut until: Option<jiff::civil::Date> = None;
    let mut back: Option<jiff::civil::Date> = None;
    for mention in found {
        match meaning(mention) {
            Some(Meaning::Back) if mention.date >= today => back = back.or(Some(mention.date)),
            Some(Meaning::Until) => until = until.max(Some(mention.date)),
            _ => {}
        }
    }
    back.or_else(|| until.and_then(|day| day.tomorrow().ok()))
}

enum Meaning {
    Back,
    Until,
}

/// What the words around a date say about it; the nearest word wins.
fn meaning(mention: &Mention) -> Option<Meaning> {
    let before = mention.before.iter().rev();
    let mut distance = 0usize;
    for word in before {
        let word = word.as_str();
        if UNTIL.contains(&word)
            && !(matches!(word, "au" | "al" | "to" | "do" | "a") && distance > 1)
        {
            let back_to = matches!(word, "to") && mention.before.iter().any(|w| w == "return");
            if !back_to {
                return Some(Meaning::Until);
            }
        }
        if BACK.contains(&word) {
            return Some(Meaning::Back);
        }
        if !BETWEEN.contains(&word) {
            distance = distance.saturating_add(1);
        }
        if distance > 5 {
            break;
        }
    }
    if mention.after_range {
        return Some(Meaning::Until);
    }
    mention
        .after
        .iter()
        .any(|w| BACK.contains(&w.as_str()) && w != "ab")
        .then_some(Meaning::Back)
}
