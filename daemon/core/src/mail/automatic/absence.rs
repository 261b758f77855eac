//! Absence notes: how they are worded, when the person is back, whether the person left.

use std::sync::LazyLock;

use super::calendar_date::{Mention, mentions};
use super::{Facts, OutOfOffice};
use crate::mail::address::clean_text;
use crate::mail::reply::folded;

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
    自動回覆|自動返信|자동 회신|automatisk besvarelse|automatisches antwort|automatic answer|\
    automated response|automated message|auto responder|autoresponder|auto-responder|auto answer|\
    auto_reply|[auto-reply|[autoreply|[automatic|<auto|autom. reply|automatische antwoorden|\
    automatische abwesenheitsnotiz|automatische abwesenheit|automatische eingangsbestätigung|\
    automatische empfangsbestätigung|automatische nachricht|automatische rückmeldung|autoantwort|\
    auto-antwort|réponse auto|auto-réponse|accusé de réception automatique|\
    contestación automática|respuesta auto|auto respuesta|autorespuesta|resposta automàtica|\
    erantzun automatikoa|risposta automatica:|autorisposta|risponditore automatico|\
    automatisk melding|automatiskt meddelande|autovastaus|automaattivastaus|auto-odpowiedź|\
    wiadomość automatyczna|автоматична відповідь|автоматичен отговор|аутоматски одговор|\
    automatski odgovor|samodejni odgovor|automatické odpovědi|automatická odpoveď|\
    automatická odpověd|automatinis atsakymas|automātiska atbilde|automaatvastus|\
    αυτόματη απάντηση|αυτοματη απαντηση|otomatik cevap|otomatik yanit|מענה אוטומטי|\
    תשובה אוטומטית|رد تلقائي|رد آلي|پاسخ خودکار|trả lời tự động|balasan otomatis|\
    balasan automatik|ตอบกลับอัตโนมัติ|การตอบกลับอัตโนมัติ|自動応答|自动答复|自動答覆|自动应答|自動回信|자동 응답|자동응답|\
    자동회신|स्वचालित उत्तर|sjálfvirkt svar"
        .split('|')
        .collect()
});

/// Subjects that say absence, lower case.
static ABSENCE_SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    out of office|out-of-office|out of the office|away from my mail|away from the office|\
    i am away|i'm away|abwesenheit|nicht im büro|außer haus|bin im urlaub|en congé|\
    absent du bureau|hors du bureau|fuera de la oficina|fuera de oficina|de vacaciones|\
    fora do escritório|fora do escritorio|de férias|niet aanwezig|op vakantie|fuori ufficio|\
    fuori sede|in ferie|ikke på kontoret|på ferie|inte på kontoret|på semester|poza biurem|\
    вне офиса|в отпуске|lomalla|out of the office notification|abwesenheitsmeldung|abwesenheitsnotiz|abwesenheitsinfo|abwesenheitsantwort|\
    abwesenheitsagent|abwesenheitsbenachrichtigung|fraværsbesked|afwezigheidsmelding|\
    \
    abwesenheitsnachricht|abwesenheitsassistent|nicht am platz|nicht erreichbar|ausser haus|\
    derzeit nicht im büro|ich bin im urlaub|notification d'absence|avis d'absence|\
    message d'absence|absence du bureau|absent(e)|je suis absent|je suis en congé|en vacances|\
    aviso de ausencia|notificación de ausencia|estoy fuera|estoy de vacaciones|aviso de ausência|\
    estou de férias|notifica di assenza|avviso di assenza|messaggio di assenza|\
    assente dall'ufficio|sono in ferie|afwezigheidsbericht|afwezigheidsassistent|niet op kantoor|\
    buiten kantoor|fraværsmeddelelse|fraværsmelding|ikke til stede|ute av kontoret|\
    frånvaromeddelande|poissaoloviesti|poissaoloilmoitus|nieobecność w biurze|\
    informacja o nieobecności|нет на месте|я в отпуске|у відпустці|mimo kancelář|nepřítomnost|\
    nejsem v kanceláři|távollét|házon kívül|szabadságon|ofis dışında|ofis dışındayım|izindeyim|\
    absență din birou|în concediu|απουσία|εκτός γραφείου|לא במשרד|מחוץ למשרד|خارج المكتب|\
    office closed|不在のお知らせ|不在通知|外出のお知らせ|休暇のお知らせ|外出通知|休假通知|부재중|부재 중|휴가중"
        .split('|')
        .collect()
});

/// Words that name an absence and much else besides: `Urlaub und Lieferung`.
static WEAK_SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    ooo|vacation|on vacation|on holiday|on leave|annual leave|absent|out of town|abwesend|urlaub|\
    im urlaub|absence|congés|absente|ausente|ausencia|vacaciones|ausência|férias|afwezig|\
    vakantie|assente|assenza|fravær|ferie|frånvaro|semester|urlop|отсутств|poissa|不在|休假|外出|\
    poissaolo|nieobecny|nieobecna|nieobecność|fraværende|frånvarande|afwezigheid|leave|holiday|\
    dovolená|odmor|dopust|szabadság|izin|concediu|отпуск|отпуска|休暇|휴가|出差"
        .split('|')
        .collect()
});

/// What follows the phrase in the subject of a note, besides signs and numbers.
const BORDERS: &[&str] = &[
    "until",
    "till",
    "from",
    "since",
    "starting",
    "through",
    "bis",
    "vom",
    "ab",
    "re",
    "aw",
    "fw",
    "fwd",
    "sv",
    "vs",
    "antw",
    "tr",
    "jusqu'au",
    "jusqu'à",
    "hasta",
    "desde",
    "até",
    "fino",
    "dal",
    "från",
    "fra",
    "til",
    "till",
    "tom",
    "van",
    "tot",
    "t/m",
    "od",
    "с",
    "до",
    "notification",
    "notice",
    "message",
    "reply",
    "response",
    "autoreply",
    "auto-reply",
    "auto",
    "alert",
    "today",
    "this",
    "next",
    "hinweis",
    "nachricht",
    "heute",
];

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
    serai absent|serai absente|actuellement absent|en congé|en vacances|de retour|hors du bureau|\
    mon absence|fuera de la oficina|fuera de oficina|de vacaciones|estoy ausente|estaré ausente|\
    me encuentro fuera|mi ausencia|estaré de vuelta|regresaré|volveré|vacaciones|\
    fora do escritório|de férias|estou ausente|estarei ausente|minha ausência|regresso|\
    retornarei|estarei de volta|ausente|niet aanwezig|afwezig|niet op kantoor|op vakantie|\
    met vakantie|weer aanwezig|niet bereikbaar|mijn afwezigheid|weer bereikbaar|vakantie|\
    fuori ufficio|fuori sede|in ferie|sono assente|sarò assente|mia assenza|rientrerò|\
    sarò di ritorno|ufficio chius|ikke på kontoret|på ferie|er fraværende|ikke til stede|\
    tilbage på kontoret|tilbake på kontoret|holder ferie|har ferie|ute av kontoret|barselsorlov|\
    tilbage igen|inte på kontoret|på semester|har semester|är frånvarande|åter på kontoret|\
    tillbaka på kontoret|är ledig|föräldraledig|poza biurem|na urlopie|jestem nieobecn|nieobecny|\
    nieobecna|nie ma mnie w biurze|przebywam na|urlopie|będę nieobecn|mojej nieobecności|\
    в отпуске|вне офиса|отсутствую|буду отсутствовать|ei ole paikalla|olen lomalla|\
    poissa toimistolta|不在|休假|休暇|away on business|out of my office|out sick|on sabbatical|\
    on a business trip|out of the country|annual holiday|on paternity|not available until|\
    unavailable until|will respond upon my return|upon my return|when i return|back on monday|\
    back on tuesday|back on wednesday|back on thursday|back on friday|in urlaub|urlaubsbedingt|\
    krankheitsbedingt|bin ich wieder|nicht im dienst|in mutterschutz|auf fortbildung|\
    während meiner abwesenheit|nach meiner rückkehr|meine abwesenheit|bis einschließlich|\
    ausserhalb des büros|ne suis pas disponible|suis actuellement en|pendant mon absence|\
    à mon retour|congé maternité|en déplacement|durante mi ausencia|a mi regreso|\
    no estaré disponible|estoy de baja|estou fora|durante a minha ausência|licença maternidade|\
    licença-maternidade|con permesso|al mio rientro|in maternità|durante la mia assenza|\
    buiten kantoor|tijdens mijn afwezigheid|met verlof|på barsel|under min frånvaro|ude af huset|\
    under mit fravær|fravær|poissa|lomalta|vuosilomalla|urlopie macierzyńskim|powrót|\
    командировке|отпуске|у відпустці|на свята|mimo kancelář|na dovolené|dovolenou|nebudu přítom|\
    nepřítom|szabadságon|házon kívül|nem vagyok az irodában|izindeyim|ofis dışında|yıllık iz|\
    în concediu|nu sunt în birou|εκτός γραφείου|σε άδεια|απουσιάζω|στην άδεια|לא במשרד|בחופשה|\
    خارج المكتب|في إجازة|外出し|お休み|出張中|休み|부재|휴가|休假中|出差|不在办公|đi vắng|nghỉ phép|sedang cuti|\
    di luar kantor|ลาพัก|ลาพักร้อน|нет в офисе|нет на месте|не в офисе|не буду в офисе|отпуск|\
    nejsem v kanceláři|v kanceláři nebudu|nebudu v kanceláři|nie jestem w biurze|irodán kívül|\
    ofiste değilim|ofiste olmayacağım|tatildeyim|nisam u uredu|nie som v kancelárii|\
    休ませて|休業|外出して|不在に|不在办公室"
        .split('|')
        .collect()
});

static LEFT_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    no longer with|no longer work|no longer employed|no longer at |no longer part of|\
    has left the|have left the company|left the company|left the organi|left our company|\
    not with the company any|not work here any|has moved on from|is no longer employed|is no longer working|nicht mehr für|\
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
    вернусь|возвращаюсь|вернётся|вернется|takaisin|palaan|vrátím|vracím|zpět|zpátky|dostupný|\
    döneceğim|dönüyorum|döneceğiz|dönüş|visszatérek|vissza|reviendrons|rückkehr"
        .split('|')
        .collect()
});

/// Said of the last day away.
static UNTIL: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    until|till|til|through|thru|to|bis|jusqu|jusqu'au|jusqu’au|hasta|até|ate|tot|fino|sino|\
    indtil|tom|tills|do|до|asti|incluido|inclusive|al|au|after|nach|après|después|depois|dopo|\
    efter|после|по|po"
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
/// only before a sign, a date or the subject that is answered; words with other meanings
/// (`Vacation: ...`) only in an answer or together with the text. Lotus Notes writes
/// `Bob Example is out of the office.`
pub(super) fn wording(facts: &Facts<'_>) -> Option<String> {
    let subject = folded(facts.subject.trim());
    let auto = AUTO_SUBJECTS
        .iter()
        .find_map(|p| Some((p, subject.strip_prefix(p)?)));
    let marked = is_marked(facts);
    let pointed = marked || auto.is_some() || facts.null_return_path();
    let absence = subject_says(&subject);
    let states = states_absence(&subject);
    // Most mail ends here: the text is searched only where something points to a note.
    if absence.is_none() && states.is_none() && !pointed {
        return None;
    }
    let text = searched(facts.text);
    let in_text = ABSENCE_WORDS.iter().find(|phrase| text.contains(**phrase));
    if let Some((phrase, weak)) = absence
        && (!weak || marked || facts.is_answer() || (in_text.is_some() && !text.contains('?')))
    {
        return Some(format!("the subject says `{phrase}`"));
    }
    if let Some((who, phrase)) = states
        && (marked || is_sender(facts, who) || (facts.is_answer() && in_text.is_some()))
    {
        return Some(format!("the subject says `{phrase}`"));
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

/// Whether a field says that a program answered.
fn is_marked(facts: &Facts<'_>) -> bool {
    let says = |name: &str, test: fn(&str) -> bool| {
        facts
            .header
            .text(name)
            .is_some_and(|v| test(&v.to_lowercase()))
    };
    facts.header.has("X-Autoreply")
        || facts.header.has("X-Autorespond")
        || says("Auto-Submitted", |v| v != "no")
        || says("Precedence", |v| v.contains("auto"))
        || says("X-Precedence", |v| v.contains("auto"))
}

/// The phrase that a subject begins with, if it ends there, and whether it is a weak one.
fn subject_says(subject: &str) -> Option<(&'static str, bool)> {
    let begins = |list: &'static [&'static str]| {
        list.iter()
            .filter(|p| subject.strip_prefix(**p).is_some_and(is_border))
            .max_by_key(|p| p.len())
    };
    match (begins(&ABSENCE_SUBJECTS), begins(&WEAK_SUBJECTS)) {
        (Some(phrase), _) => Some((phrase, false)),
        (None, phrase) => Some((phrase?, true)),
    }
}

/// Whether the phrase of a subject ends where `rest` begins, and nothing else is spoken of.
fn is_border(rest: &str) -> bool {
    let blank = rest.trim_start();
    if blank.is_empty() || blank.starts_with([':', '：', '-', '–', '—', '(', '[', '!', '/', '|'])
    {
        return true;
    }
    if blank.len() == rest.len() && blank.starts_with(char::is_alphanumeric) {
        return false;
    }
    let blank = blank.trim_start_matches(['.', ',', ';', ' ']);
    let word: String = blank
        .chars()
        .take_while(|c| !c.is_whitespace() && !matches!(c, ':' | '.' | ','))
        .collect();
    let after = blank.get(word.len()..).unwrap_or_default().trim_start();
    // `du 3 mars`, `on 3 March`, `a partir de 3`: small words count before a number.
    word.is_empty()
        || word.starts_with(|c: char| c.is_ascii_digit())
        || BORDERS.contains(&word.as_str())
        || (word.chars().count() <= 3 && after.starts_with(|c: char| c.is_ascii_digit()))
}

/// `Bob Example is out of the office.`: who, and the phrase.
fn states_absence(subject: &str) -> Option<(&str, &'static str)> {
    const STATES: &[&str] = &[
        " is out of the office",
        " is out of office",
        " is currently out of the office",
        " is away from the office",
        " is away",
        " is on vacation",
        " is on leave",
        " is on holiday",
        " ist außer haus",
        " ist ausser haus",
        " ist nicht im büro",
        " ist nicht im haus",
        " ist abwesend",
        " ist im urlaub",
        " est absent du bureau",
        " est absente du bureau",
        " est absent",
        " est absente",
        " est en congé",
        " est absent(e)",
        " está fuera de la oficina",
        " está ausente",
        " está fora do escritório",
        " está de férias",
        " è fuori ufficio",
        " è assente",
        " is afwezig",
        " is niet aanwezig",
        " is niet op kantoor",
        " er ikke på kontoret",
        " är inte på kontoret",
        " är på semester",
        " ei ole toimistolla",
        " jest poza biurem",
        " jest nieobecny",
        " jest nieobecna",
        " není v kanceláři",
        "さんは不在です",
        "は不在です",
        "不在办公室",
    ];
    STATES.iter().find_map(|phrase| {
        let (who, rest) = subject.split_once(phrase)?;
        let ends = is_border(rest) || rest.starts_with(['.', ',']);
        (ends && !rest.contains('?') && who.split_whitespace().count() <= 6)
            .then_some((who, phrase.trim()))
    })
}

/// Whether a name is the sender's, in either order and with what Notes adds: `Bob Example/Example`.
fn is_sender(facts: &Facts<'_>, who: &str) -> bool {
    let bare = who.split('/').next().unwrap_or_default();
    let words: Vec<&str> = bare
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .collect();
    facts.from.iter().any(|from| {
        let name = folded(from.name.as_deref().unwrap_or_default());
        let local = from.address.local().to_lowercase();
        !words.is_empty()
            && words
                .iter()
                .all(|w| name.contains(*w) || local.contains(*w))
    })
}

/// A subject that only automatic answers have.
pub(super) fn automatic_subject(facts: &Facts<'_>) -> Option<String> {
    let subject = folded(facts.subject.trim());
    // Ticket systems put their number before: `[example #12] AutoReply: Visit`.
    let untagged = subject
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(subject.as_str(), |(_, behind)| behind.trim_start());
    let (phrase, rest) = AUTO_SUBJECTS
        .iter()
        .find_map(|p| Some((p, subject.strip_prefix(p).or(untagged.strip_prefix(p))?)))?;
    let border = rest.is_empty() || !rest.starts_with(char::is_alphanumeric);
    (border
        && (facts.is_answer()
            || rest.trim_start().starts_with([':', '：', ']', ')'])
            || rest.is_empty()))
    .then(|| format!("the subject says `{phrase}`"))
}

fn searched(text: &str) -> String {
    let text: String = text.chars().take(MAX_SEARCHED_CHARS).collect();
    folded(&clean_text(&text))
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

/// Behind the last day away: `9 Mart'a kadar`, `9.3. asti`.
const UNTIL_BEHIND: &[&str] = &["kadar", "değin", "asti", "saakka", "ig"];
/// The same in scripts without blanks, as part of what stands there.
const JOINED_UNTIL: &[&str] = &["まで", "까지", "为止", "為止"];
/// At the end of what stands before the last day away.
const JOINED_UNTIL_BEFORE: &[&str] = &["至", "到", "直到"];
/// Behind the day of the return.
const JOINED_BACK: &[&str] = &[
    "出社", "復帰", "戻り", "戻る", "出勤", "復職", "返回", "回来", "回到", "回國", "上班", "恢复",
    "복귀", "출근",
];
/// Of a day from which on somebody is away.
const AWAY_BEHIND: &[&str] = &[
    "nicht", "abwesend", "urlaub", "not", "away", "out", "absent", "absente", "afwezig", "niet",
    "ausente", "assente",
];

/// Right before the first day away, where nothing before them says that it is the return.
const STARTS: &[&str] = &[
    "starting",
    "beginning",
    "commencing",
    "from",
    "since",
    "vom",
    "seit",
    "depuis",
    "desde",
    "dal",
    "van",
    "från",
    "fra",
    "od",
    "с",
    "со",
];

/// What stands right around a date in scripts without blanks, or behind it elsewhere.
fn joined(mention: &Mention) -> Option<Meaning> {
    let behind: Vec<&String> = mention.after.iter().take(2).collect();
    let has = |list: &[&str]| {
        let mut words = behind.iter();
        words.any(|word| list.iter().any(|part| word.contains(part)))
    };
    let dutch = matches!(mention.before.as_slice(), [.., t, m] if t == "t" && m == "m");
    if dutch || has(JOINED_UNTIL) {
        return Some(Meaning::Until);
    }
    if has(JOINED_BACK) {
        return Some(Meaning::Back);
    }
    let mut near = mention.after.iter().take(2);
    let ends = |text: &str| JOINED_UNTIL_BEFORE.iter().any(|part| text.ends_with(part));
    let until = near.any(|word| UNTIL_BEHIND.contains(&word.as_str()))
        || mention.before.last().is_some_and(|word| ends(word));
    until.then_some(Meaning::Until)
}

enum Meaning {
    Back,
    Until,
}

/// What the words around a date say about it; the nearest word wins.
fn meaning(mention: &Mention) -> Option<Meaning> {
    if let Some(said) = joined(mention) {
        return Some(said);
    }
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
        if matches!(word, "ab" | "vanaf" | "partir")
            && mention
                .after
                .iter()
                .any(|word| AWAY_BEHIND.contains(&word.as_str()))
        {
            return None;
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
    let starts = mention.before.last().map(String::as_str);
    if starts.is_some_and(|word| STARTS.contains(&word)) {
        return None;
    }
    mention
        .after
        .iter()
        .any(|w| BACK.contains(&w.as_str()) && w != "ab")
        .then_some(Meaning::Back)
}
