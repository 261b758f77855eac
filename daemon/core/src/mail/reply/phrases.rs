//! The words that mail programs put around quotes and signatures.

use std::sync::LazyLock;

/// Labels of the sender's line in a quoted header block.
pub(super) static FROM: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    from|von|de|da|van|fra|från|fran|od|от|від|lähettäjä|feladó|kimden|gönderen|expéditeur|\
    expediteur|absender|remitente|remetente|mittente|afzender|nadawca|odesílatel|από|发件人|寄件者|\
    寄件人|差出人|送信者|送信元|보낸 사람|보낸사람|מאת|من|від кого|od koho|expeditor|de la"
        .split('|')
        .collect()
});

/// Labels of the other lines in such a block.
pub(super) static OTHER: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    sent|date|gesendet|datum|gesendet am|envoyé|envoye|enviado|enviado el|enviada em|enviada|\
    enviado em|fecha|data|inviato|verzonden|sendt|skickat|skickades|dato|wysłano|wyslano|\
    wysłane|отправлено|дата|надіслано|lähetetty|päivämäärä|elküldve|dátum|gönderilme tarihi|\
    gönderildi|tarih|odesláno|odoslané|εστάλη|发送时间|寄件日期|日期|日時|送信日時|送信日|보낸 날짜|날짜|trimis|date de|\
    sent on|to|an|à|a|para|til|till|aan|do|кому|vastaanottaja|címzett|kime|alıcı|komu|pro|προς|\
    收件人|收件者|宛先|受信者|받는 사람|받는사람|către|destinataire|destinatario|destinatário|empfänger|al|cc|\
    kopie|copie|copia|kopia|kopi|kopija|копия|копія|másolatot kap|抄送|副本|참조|bilgi|cópia|c.c|bcc|\
    kopio|subject|betreff|objet|asunto|assunto|oggetto|onderwerp|emne|ämne|amne|temat|тема|aihe|\
    tárgy|konu|předmět|predmet|θέμα|主题|主旨|件名|제목|subiect|re|betr|reply-to|antwort an|répondre à|\
    importance|wichtigkeit|attachments|anlagen|priority|organization".split('|').collect()
});

/// What stands between the dashes of `-----Original Message-----`.
pub(super) static SEPARATORS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    original message|original|originalmessage|original appointment|ursprüngliche nachricht|\
    ursprungliche nachricht|urspruengliche nachricht|original-nachricht|originalnachricht|\
    original nachricht|ursprünglicher termin|message d'origine|message d’origine|\
    message original|message initial|mensaje original|mensaje origen|mensagem original|\
    mensagem de origem|oorspronkelijk bericht|oorspronkelijke bericht|origineel bericht|\
    messaggio originale|messaggio originario|oprindelig meddelelse|original meddelelse|\
    opprinnelig melding|original melding|ursprungligt meddelande|originalmeddelande|\
    alkuperäinen viesti|wiadomość oryginalna|oryginalna wiadomość|wiadomosc oryginalna|\
    исходное сообщение|оригинальное сообщение|пересылаемое сообщение|původní zpráva|\
    pôvodná správa|eredeti üzenet|orijinal mesaj|özgün ileti|原始邮件|原始郵件|邮件原件|原邮件|원본 메시지|원본 메일|\
    元のメッセージ|original message follows|αρχικό μήνυμα|mesaj original|forwarded message|\
    forwarded mail|forwarded by|weitergeleitete nachricht|weitergeleitete mail|\
    message transféré|message transmis|mensaje reenviado|mensagem encaminhada|\
    messaggio inoltrato|doorgestuurd bericht|videresendt meddelelse|videresendt melding|\
    vidarebefordrat meddelande|vidarebefordrat brev|välitetty viesti|edelleenlähetetty viesti|\
    przekazana wiadomość|wiadomość przekazana|пересланное сообщение|přeposlaná zpráva|\
    továbbított üzenet|iletilen mesaj|转发邮件|转发的邮件|轉寄郵件|轉寄訊息|転送メッセージ|전달된 메시지|\
    перенаправлене повідомлення".split('|').collect()
});

/// Lines that introduce a forwarded message without dashes (Apple Mail), or end the reply.
pub(super) static FORWARD_LINES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    begin forwarded message|anfang der weitergeleiteten nachricht|\
    anfang der weitergeleiteten e-mail|début du message réexpédié|début du message transféré|\
    inicio del mensaje reenviado|inizio messaggio inoltrato|início da mensagem encaminhada|\
    início da mensagem reencaminhada|begin doorgestuurd bericht|start på videresendt besked|\
    videresendt melding|vidarebefordrat brev|początek przekazywanej wiadomości|\
    начало переадресованного сообщения|下面是被转发的邮件|以下は転送されたメッセージです|alku välitetylle viestille".split('|').collect()
});

/// Helpdesks' line above which the answer stands.
pub(super) const ABOVE_THIS_LINE: &[&str] = &[
    "reply above this line",
    "type your reply above this line",
    "please reply above this line",
    "write above this line",
    "antworten sie oberhalb dieser zeile",
    "bitte antworten sie über dieser linie",
    "répondez au-dessus de cette ligne",
    "responda por encima de esta línea",
];

/// Verbs of attribution lines (`... wrote:`), lower case.
pub(super) static WROTE: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    wrote|writes|schrieb|schreibt|hat geschrieben|geschrieben|a écrit|a ecrit|escribió|escribio|\
    escreveu|escreveu o seguinte|ha scritto|scrive|schreef|het volgende geschreven|skrev|skreiv|\
    kirjoitti|pisze|napisał|napisała|napisał(a)|napisal|napisala|napsal|napsala|napsal(a)|\
    napísal|пишет|писал|писала|написал|написала|написал(а)|пише|написав|написав(ла)|ezt írta|\
    írta|a scris|yazdı|şunu yazdı|έγραψε|写道|寫道|のメール|さんは書きました|님이 작성|님이 쓴 글|va escriure|\
    wiadomość napisana przez|skrifaði|je napisao|je napisao/la|je napisala|said|kirjutas|\
    raksīja|rašė".split('|').collect()
});

/// First words of attribution lines, lower case: `On`, `Am`, and days of the week.
pub(super) static STARTERS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    on|am|le|el|em|no|a|il|op|den|dnia|w|dne|dňa|în|at|στις|в|vào|pada|quoting|zitat|citando|\
    wiadomość|mon|tue|wed|thu|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|\
    sunday|mo|di|mi|do|fr|sa|so|lun|mar|mié|jue|vie|sáb|dom|seg|ter|qua|qui|sex|man|tir|ons|tor|\
    tors|fre|lør|lör|søn|sön|mån|tis|pon|wt|śr|czw|pt|sob|niedz|po|út|st|čt|pá|ma|ti|ke|to|pe|la|\
    su|zo|wo|vr|za|пн|вт|ср|чт|пт|сб|вс|понедельник|вторник|среда|четверг|пятница|суббота|\
    воскресенье"
        .split('|')
        .collect()
});

/// Labels of the subject.
pub(super) static SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    subject|betreff|objet|asunto|assunto|oggetto|onderwerp|emne|ämne|amne|temat|тема|aihe|tárgy|\
    konu|předmět|predmet|θέμα|主题|主旨|件名|제목|subiect|betr"
        .split('|')
        .collect()
});

/// Starts of the lines that phones and apps add.
pub(super) static MOBILE: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    sent from my |sent from mail for |sent from outlook|sent from yahoo|sent from gmail|\
    sent from proton|sent from samsung|sent from nine|sent from spark|sent from mobile|\
    sent from aol|sent from a mobile|sent from mailbox|sent from blue|sent from front|\
    sent from mymail|sent from iphone|sent from ipad|sent from android|sent from the |\
    sent from canary|sent from airmail|sent from polymail|sent from fastmail|sent via |\
    sent with proton|sent with airmail|sent with shift|sent with spark|sent with tutanota|\
    sent with tuta|sent with mailtrack|sent using |sent by my |sent on the go|sent securely |\
    get outlook for |get bluemail |get typeapp|get yahoo mail|get outlook |von meinem |\
    von mobil gesendet|von unterwegs gesendet|vom handy gesendet|gesendet von meinem |\
    gesendet von mail|gesendet von outlook|gesendet von yahoo|gesendet vom |gesendet mit |\
    gesendet von mobile|gesendet aus |gesendet über |gesendet von iphone|gesendet von ipad|\
    gesendet von unterwegs|diese nachricht wurde von meinem |holen sie sich outlook|\
    outlook für ios|outlook für android beziehen|outlook für ios beziehen|laden sie outlook|\
    envoyé de mon |envoyé depuis |envoyé à partir de |envoyé d'|envoyé de |envoyé par |\
    obtenir outlook|obtenez outlook|télécharger outlook|provenance : courrier|enviado desde |\
    enviado de mi |enviado do |enviado de meu |enviado a partir do |enviado via |enviado pelo |\
    enviado con |obtener outlook|descargar outlook|obter o outlook|obter outlook|\
    baixar o outlook|consiga outlook|inviato da |inviato dal |inviato con |scarica outlook|\
    ottieni outlook|verstuurd vanaf |verzonden vanaf |verzonden met |verstuurd met |\
    verstuurd van mijn|verzonden vanuit |outlook voor |download outlook voor|outlook downloaden|\
    sendt fra |sendt via |sendt med |skickat från |skickades från |sänt från |hent outlook|\
    skaffa outlook|hämta outlook|få outlook|last ned outlook|lähetetty |hanki outlook|\
    wysłane z |wysłano z |wysłane przez |pobierz program outlook|pobierz aplikację outlook|\
    отправлено с |отправлено из |скачать outlook|надіслано з |odesláno z|odoslané z|\
    získejte outlook|iphone-omról küldve|küldve |trimis de pe |iphone'umdan gönderildi|发自我的|\
    發自我的|从我的|發送自我的|发自|获取 outlook|取得 outlook|下载 outlook|iphoneから送信|ipadから送信|androidから送信|\
    outlook for ios を入手|나의 iphone에서 보냄|iphone에서 보냄|내 iphone에서 보냄|download outlook for|\
    outlook for ios|outlook for android|get the all-new|yahoo mail: search|scanned by |\
    virus-free|virenfrei|sin virus|virusfri|sans virus|envoyé avec ".split('|').collect()
});

/// What makes a paragraph a legal notice: two of these, lower case.
pub(super) static LEGAL: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    confidential|intended recipient|intended solely|intended only|privileged|\
    if you have received this|if you are not the|received this message in error|\
    received this email in error|this e-mail|this email|this message|disclaimer|unauthorized|\
    unauthorised|delete it|disclosure|notify the sender|attachments|vertraulich|\
    rechtlich geschützt|nicht der richtige adressat|irrtümlich|diese e-mail|\
    unbefugte weitergabe|diese nachricht|informieren sie bitte|vernichten sie|confidentiel|\
    destinataire|ce message|par erreur|pièces jointes|cet e-mail|confidencial|destinatario|\
    este mensaje|por error|este correo|esta mensagem|destinatário|por engano|sigilos|riservat|\
    questo messaggio|questa e-mail|per errore|vertrouwelijk|geadresseerde|dit bericht|\
    deze e-mail|ten onrechte|fortrolig|denne e-mail|denne e-post|konfidentiell|detta meddelande|\
    ved en feil|ved en fejl|poufn|adresat|ta wiadomość|omyłkowo|конфиденциаль|данное сообщение|\
    по ошибке|机密|保密|機密"
        .split('|')
        .collect()
});

/// And one of these, which nobody writes in a letter about an agreement.
pub(super) static LEGAL_CORE: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    intended recipient|intended solely|intended only|if you have received this|\
    if you are not the|received this message in error|received this email in error|\
    notify the sender|unauthorized|unauthorised|richtige adressat|irrtümlich|unbefugte|\
    rechtlich geschützt|par erreur|por error|por engano|per errore|ten onrechte|omyłkowo|\
    ved en feil|ved en fejl|по ошибке|geadresseerde"
        .split('|')
        .collect()
});

/// One of these alone makes a line a footer.
pub(super) static FOOTERS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    please consider the environment before printing|think before you print|\
    bitte prüfen sie, ob diese mail wirklich ausgedruckt|denken sie an die umwelt|\
    bitte denken sie an die umwelt|pensez à l'environnement avant d'imprimer|avant d'imprimer|\
    antes de imprimir|prima di stampare|denk aan het milieu|confidentiality notice|\
    legal disclaimer|legal notice:|vertraulichkeitshinweis|\
    you received this message because you are subscribed to the google groups|\
    to unsubscribe from this group|this email has been checked for viruses|\
    this e-mail has been checked for viruses|this email has been scanned|\
    diese e-mail wurde von avast|diese e-mail wurde auf viren geprüft|cet e-mail a été vérifié|\
    l'absence de virus dans ce courrier|este correo electrónico ha sido comprobado|\
    el software de antivirus avast"
        .split('|')
        .collect()
});

/// Closings: what follows may be a signature.
pub(super) static CLOSINGS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    best regards|kind regards|regards|best|best wishes|sincerely|yours sincerely|yours truly|\
    yours faithfully|many thanks|thanks|thank you|thanks and regards|thanks & regards|cheers|\
    warm regards|warmest regards|with kind regards|br|rgds|all the best|cordially|respectfully|\
    thx|with best regards|very best|mit freundlichen grüßen|mit freundlichen grüssen|\
    mit freundlichem gruß|freundliche grüße|freundliche grüsse|viele grüße|viele grüsse|\
    beste grüße|beste grüsse|liebe grüße|liebe grüsse|schöne grüße|herzliche grüße|mfg|vg|lg|\
    gruß|gruss|grüße|mit besten grüßen|mit vielen grüßen|hochachtungsvoll|vielen dank|danke|\
    cordialement|bien cordialement|bien à vous|salutations|sincères salutations|merci|\
    meilleures salutations|cdlt|saludos|un saludo|saludos cordiales|atentamente|cordialmente|\
    gracias|atenciosamente|att|obrigado|obrigada|abraços|cumprimentos|\
    com os melhores cumprimentos|cordiali saluti|distinti saluti|saluti|un saluto|grazie|\
    met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|groeten|groet|mvg|\
    bedankt|med venlig hilsen|venlig hilsen|mvh|hilsen|med vennlig hilsen|vennlig hilsen|\
    med vänlig hälsning|vänliga hälsningar|med vänliga hälsningar|hälsningar|\
    ystävällisin terveisin|terveisin|pozdrawiam|z poważaniem|с уважением|s pozdravem|\
    üdvözlettel|saygılarımla|此致|顺颂商祺|よろしくお願いいたします|以上"
        .split('|')
        .collect()
});
