//! The words that mail programs put around quotes and signatures.

use std::sync::LazyLock;

use crate::mail::words::{LazyWords, Words};

/// Labels of the sender's line in a quoted header block.
pub(super) static FROM: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    from|von|de|da|van|fra|från|fran|od|от|від|lähettäjä|feladó|kimden|gönderen|expéditeur|\
    expediteur|absender|remitente|remetente|mittente|afzender|nadawca|odesílatel|από|发件人|寄件者|寄件人|\
    差出人|送信者|送信元|보낸 사람|보낸사람|מאת|من|від кого|od koho|expeditor|de la|saatja|odosielateľ|\
    pošiljatelj|šalje|изпратил|подател|відправник|отправитель|จาก|từ|dari|nuo|remitent|verzender|\
    avsender|avsändare|afsender|发信人|ผู้ส่ง|المرسل|שולח|prima od"
        .split('|')
        .collect()
});

/// Labels of the other lines in such a block.
pub(super) static OTHER: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    sent|date|gesendet|datum|gesendet am|envoyé|envoye|enviado|enviado el|enviada em|enviada|\
    enviado em|fecha|data|inviato|verzonden|sendt|skickat|skickades|dato|wysłano|wyslano|wysłane|\
    отправлено|дата|надіслано|lähetetty|päivämäärä|elküldve|dátum|gönderilme tarihi|gönderildi|\
    tarih|odesláno|odoslané|εστάλη|发送时间|寄件日期|日期|日時|送信日時|送信日|보낸 날짜|날짜|trimis|date de|sent on|to|\
    an|à|a|para|til|till|aan|do|кому|vastaanottaja|címzett|kime|alıcı|komu|pro|προς|收件人|收件者|宛先|\
    受信者|받는 사람|받는사람|către|destinataire|destinatario|destinatário|empfänger|al|cc|kopie|copie|\
    copia|kopia|kopi|kopija|копия|копія|másolatot kap|抄送|副本|참조|bilgi|cópia|c.c|bcc|kopio|subject|\
    betreff|objet|asunto|assunto|oggetto|onderwerp|emne|ämne|amne|temat|тема|aihe|tárgy|konu|\
    předmět|predmet|θέμα|主题|主旨|件名|제목|subiect|re|betr|reply-to|antwort an|répondre à|importance|\
    wichtigkeit|attachments|anlagen|priority|organization|odoslane|slanje|poslano|prima|zadeva|\
    za|изпратено|до|относно|в копие|копие|ημερομηνία|στάλθηκε|κοιν|κοιν.|κοινοποίηση|נשלח|אל|\
    תאריך|נושא|עותק|إلى|التاريخ|تاريخ|تاريخ الإرسال|الموضوع|نسخة|تم الإرسال|ส่ง|ถึง|เรื่อง|\
    วันที่|สำเนา|đã gửi|gửi|đến|tới|chủ đề|ngày|dikirim|kepada|subjek|perihal|tanggal|saadetud|\
    adressaat|kuupäev|nosūtīts|kam|išsiųsta|tema|enviat|per a|assumpte|envoyé le|envoyée|\
    gesendet um|sent at|date sent|copie à|copia a|kopie an|gönderme tarihi|gönderilen|küldve|\
    másolat|data wysłania|do wiadomości|dw|odoslané dňa|datum odeslání|kopie pro|kopia till|\
    vedrørende|vedr|koskien|pvm|отправлена|получатель|предмет|дата отправки|одержувач|temă|\
    data trimiterii|抄送人|发送日期|发信时间|傳送時間|寄件时间|時間|时间|收信人|標題|标题|主 题|主題|送信日付|送信時刻|보낸날짜|참조인|보낸시간|\
    cópia para|data de envio|em cópia|thema|geadresseerde|kopie naar".split('|').collect()
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
    forwarded mail|forwarded by|weitergeleitete nachricht|weitergeleitete mail|message transféré|\
    message transmis|mensaje reenviado|mensagem encaminhada|messaggio inoltrato|\
    doorgestuurd bericht|videresendt meddelelse|videresendt melding|vidarebefordrat meddelande|\
    vidarebefordrat brev|välitetty viesti|edelleenlähetetty viesti|przekazana wiadomość|\
    wiadomość przekazana|пересланное сообщение|přeposlaná zpráva|továbbított üzenet|\
    iletilen mesaj|转发邮件|转发的邮件|轉寄郵件|轉寄訊息|転送メッセージ|전달된 메시지|перенаправлене повідомлення|\
    mail original|e-mail original|email original|courriel original|courrier original|\
    message précédent|message réexpédié|message renvoyé|původní e-mail|původní email|\
    původní mail|přeposlaný e-mail|přeposlaný email|original email|original mail|original e-mail|\
    originalmail|originalmelding|ursprüngliche e-mail|ursprüngliche mail|urspr. nachricht|\
    vorherige nachricht|weitergeleitete e-mail|previous message|quoted message|replied message|\
    reply message|forwarded email|forwarded msg|mensaje anterior|correo original|\
    mensagem reencaminhada|mensagem anterior|messaggio precedente|mail originale|\
    oorspronkelijke mail|oorspronkelijke e-mail|doorgestuurd e-mailbericht|oprindelig besked|\
    videresendt besked|videresendt mail|opprinnelig e-post|ursprungligt mejl|ursprungligt mail|\
    vidarebefordrat mejl|alkuperäinen sähköposti|oryginalny mail|oryginalny e-mail|\
    treść przekazanej wiadomości|przesłana wiadomość|исходное письмо|пересылаемое письмо|\
    начало пересылаемого сообщения|оригінальне повідомлення|оригинално съобщение|\
    препратено съобщение|izvorna poruka|originalna poruka|proslijeđena poruka|prosleđena poruka|\
    izvirno sporočilo|posredovano sporočilo|preposlaná správa|pôvodný e-mail|továbbított levél|\
    eredeti levél|mesajul original|mesaj redirecționat|asıl ileti|iletilmiş mesaj|\
    yönlendirilen ileti|algne sõnum|edastatud kiri|pirminis laiškas|προωθημένο μήνυμα|\
    הודעה מקורית|הודעה שהועברה|الرسالة الأصلية|رسالة معاد توجيهها|thư gốc|pesan asli|\
    pesan yang diteruskan|ข้อความต้นฉบับ|原邮件信息|原始邮件信息|回复的原邮件|回复邮件|回复的邮件|原信|原始信件|原始訊息|原始消息|转发邮件信息|\
    被转发邮件|轉寄的郵件|元のメール|元メッセージ|転送メール|転送されたメッセージ|원본메시지|원본메일|전달된 메일|전달 메시지".split('|').collect()
});

/// Lines that introduce a forwarded message without dashes (Apple Mail), or end the reply.
pub(super) static FORWARD_LINES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    begin forwarded message|anfang der weitergeleiteten nachricht|\
    anfang der weitergeleiteten e-mail|début du message réexpédié|début du message transféré|\
    inicio del mensaje reenviado|inizio messaggio inoltrato|início da mensagem encaminhada|\
    início da mensagem reencaminhada|begin doorgestuurd bericht|start på videresendt besked|\
    videresendt melding|vidarebefordrat brev|początek przekazywanej wiadomości|\
    начало переадресованного сообщения|下面是被转发的邮件|以下は転送されたメッセージです|alku välitetylle viestille|\
    inizio del messaggio inoltrato|videresendt besked|vidarebefordrat mejl|\
    välitetty viesti alkaa|začátek přeposílané zprávy|začátek přeposlané zprávy|\
    začiatok preposlanej správy|továbbított üzenet kezdete|начало пересланного сообщения|\
    iletilen mesajın başlangıcı|iletilen ileti başlangıcı|έναρξη προωθημένου μηνύματος|轉寄信件開始|\
    开始转发邮件|轉寄訊息開始|전달된 메시지 시작|początek przekazanej wiadomości".split('|').collect()
});

/// Helpdesks' line above which the answer stands.
pub(super) static ABOVE_THIS_LINE: LazyWords = LazyWords::new(|| {
    Words::new([
        "reply above this line",
        "type your reply above this line",
        "please reply above this line",
        "write above this line",
        "antworten sie oberhalb dieser zeile",
        "bitte antworten sie über dieser linie",
        "répondez au-dessus de cette ligne",
        "répondre au-dessus de cette ligne",
        "antwort oberhalb dieser",
        "antworten sie über dieser linie",
        "bitte oberhalb dieser linie antworten",
        "antwoord boven deze regel",
        "reageer boven deze regel",
        "scrivi sopra questa riga",
        "rispondi sopra questa",
        "responda acima desta linha",
        "escribe por encima de esta línea",
        "svar ovenfor denne linje",
        "svara ovanför den här raden",
        "odpowiedz powyżej tej linii",
        "odpověď pište nad tento řádek",
        "ответьте выше этой строки",
        "reply above the line",
        "reply above this delimiter",
        "write your reply above",
        "enter your reply above",
        "respond above this line",
        "この行より上に",
        "请在此行上方",
        "responda por encima de esta línea",
    ])
});

/// Verbs of attribution lines (`... wrote:`), lower case.
pub(super) static WROTE: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    wrote|writes|schrieb|schreibt|hat geschrieben|geschrieben|a écrit|a ecrit|escribió|escribio|\
    escreveu|escreveu o seguinte|ha scritto|scrive|schreef|het volgende geschreven|skrev|skreiv|\
    kirjoitti|pisze|napisał|napisała|napisał(a)|napisal|napisala|napsal|napsala|napsal(a)|\
    napísal|пишет|писал|писала|написал|написала|написал(а)|пише|написав|написав(ла)|ezt írta|\
    írta|a scris|yazdı|şunu yazdı|έγραψε|写道|寫道|のメール|さんは書きました|님이 작성|님이 쓴 글|va escriure|\
    wiadomość napisana przez|skrifaði|je napisao|je napisao/la|je napisala|said|kirjutas|raksīja|\
    rašė|ha escrito|escribe|escribiu|idatzi du|heeft geschreven|schreef het volgende|skriver|\
    skrev følgende|skrev följande|napsal/a|napísal(a)|napísala|napisao je|napisala je|je napisal|\
    piše|написа|писа|је написао|је написала|надіслав|έγραψαν|كتب|تمت كتابة ما يلي|כתב|כתבה|نوشت|\
    đã viết|menulis|เขียน|ने लिखा|さんが書きました|作成|작성|쓴 글|寫到|写到|rakstīja|şöyle yazdı|\
    hat folgendes geschrieben|schrieb folgendes|wrote the following|napisao/la je|napisao(la) je|\
    je napisala/o|je napisal/a|şunları yazdı|missatge de|כתב/ה".split('|').collect()
});

/// First words of attribution lines, lower case: `On`, `Am`, and days of the week.
pub(super) static STARTERS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    on|am|le|el|em|no|a|il|op|den|dnia|w|dne|dňa|în|at|στις|в|vào|pada|quoting|zitat|citando|\
    wiadomość|mon|tue|wed|thu|fri|sat|sun|monday|tuesday|wednesday|thursday|friday|saturday|\
    sunday|mo|di|mi|do|fr|sa|so|lun|mar|mié|jue|vie|sáb|dom|seg|ter|qua|qui|sex|man|tir|ons|tor|\
    tors|fre|lør|lör|søn|sön|mån|tis|pon|wt|śr|czw|pt|sob|niedz|po|út|st|čt|pá|ma|ti|ke|to|pe|la|\
    su|zo|wo|vr|za|пн|вт|ср|чт|пт|сб|вс|понедельник|вторник|среда|четверг|пятница|суббота|\
    воскресенье|jan|feb|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|january|february|march|april|\
    june|july|august|september|october|november|december|montag|dienstag|mittwoch|donnerstag|\
    freitag|samstag|sonntag|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|lunes|martes|\
    miércoles|jueves|viernes|sábado|domingo|segunda|terça|quarta|quinta|sexta|lunedì|martedì|\
    mercoledì|giovedì|venerdì|sabato|domenica|maandag|dinsdag|woensdag|donderdag|vrijdag|\
    zaterdag|zondag|mandag|tirsdag|onsdag|torsdag|fredag|lørdag|søndag|måndag|tisdag|lördag|\
    söndag|dana|ve|σε|την|у|بتاريخ|في|יום|בתאריך|ב|hétfő|kedd|szerda|csütörtök|péntek|szombat|\
    vasárnap|pazartesi|salı|çarşamba|perşembe|cuma|cumartesi|pazar|poniedziałek|wtorek|środa|\
    czwartek|piątek|sobota|niedziela|понеділок|вівторок|середа|четвер|субота|неділя|mer|gio|ven|\
    jeu|sam|dim|missatge|kuupäev|dátum|در|сре|čet|ned|уто|пон|pirmd"
        .split('|')
        .collect()
});

/// Labels of the subject.
pub(super) static SUBJECTS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    subject|betreff|objet|asunto|assunto|oggetto|onderwerp|emne|ämne|amne|temat|тема|aihe|tárgy|\
    konu|předmět|predmet|θέμα|主题|主旨|件名|제목|subiect|betr|zadeva|относно|נושא|الموضوع|เรื่อง|chủ đề|\
    subjek|perihal|assumpte|vedrørende|標題|标题|主題|主 题|temă|предмет"
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
    skaffa outlook|hämta outlook|få outlook|last ned outlook|lähetetty |hanki outlook|wysłane z |\
    wysłano z |wysłane przez |pobierz program outlook|pobierz aplikację outlook|отправлено с |\
    отправлено из |скачать outlook|надіслано з |odesláno z|odoslané z|získejte outlook|\
    iphone-omról küldve|küldve |trimis de pe |iphone'umdan gönderildi|发自我的|發自我的|从我的|發送自我的|发自|\
    获取 outlook|取得 outlook|下载 outlook|iphoneから送信|ipadから送信|androidから送信|outlook for ios を入手|\
    나의 iphone에서 보냄|iphone에서 보냄|내 iphone에서 보냄|download outlook for|outlook for ios|\
    outlook for android|get the all-new|yahoo mail: search|scanned by |virus-free|virenfrei|\
    sin virus|virusfri|sans virus|envoyé avec |outlook für android|outlook für mac|\
    laden sie sich outlook|von meiner |von samsung|vom iphone|vom ipad|vom mobiltelefon|\
    gesendet von samsung|gesendet von proton|gesendet von fairemail|gesendet durch|gesendet per|\
    gesendet via|gesendet mithilfe|diese nachricht wurde mit |diese e-mail wurde von meinem |\
    diese mail wurde von meinem |gesichert mit tuta|sent from edison|sent from newton|\
    sent from galaxy|sent from superhuman|sent from tuta|sent from thunderbird|sent from spike|\
    sent from zoho|sent from missive|sent from a phone|sent from rediff|sent from windows|\
    sent from huawei|sent from xiaomi|sent from pixel|sent from hey|sent from icloud|\
    sent with superhuman|sent with newton|sent with edison|sent with mailspring|\
    sent with mimestream|sent with missive|sent with front|sent with k-9|sent with fairemail|\
    sent with thunderbird|sent with sparrow|sent with postbox|sent with boomerang|\
    sent with mixmax|sent with streak|sent with unibox|sent with blue|sent with yahoo|\
    sent with outlook|sent with nine|sent with apple|sent with aqua|sent with canary|\
    sent with hushmail|secured with tuta|secured by |typed on my |téléchargez outlook|\
    téléchargez l'application outlook|telecharger outlook|envoye de mon |envoye depuis |\
    envoyé via |envoyé à partir d'|envoyé du |envoyé sur |obtén outlook|obtenga outlook|\
    consigue outlook|enviado usando |enviada do |enviada desde |mandado desde |obtenha o outlook|\
    obtenha outlook|baixe o outlook|inviato tramite |inviato usando |inviata da |spedito da |\
    scarica l'app|verzonden via |verstuurd via |verzonden van |haal outlook|skickat med |\
    skickat via |sänt via |ladda ned outlook|ladda ner outlook|sendt på |lataa outlook|\
    wysłano za pomocą |wysłane za pomocą |pobierz outlook|uzyskaj outlook|odesláno pomocí |\
    odesláno ze |stáhnout outlook|získať outlook|stiahnuť outlook|odoslané pomocou |poslano z |\
    poslano s |послато са |изпратено от |изтеглете outlook|загрузить outlook|загрузите outlook|\
    отправлена с |надіслано із |завантажити outlook|στάλθηκε από |αποστολή από |λήψη του outlook|\
    נשלח מ|أرسلت من |أُرسلت من |تم الإرسال من |đã gửi từ |gửi từ |dikirim dari |ส่งจาก |\
    saadetud minu |nosūtīts no |išsiųsta iš |ipad'imden gönderildi|samsung cihazımdan gönderildi|\
    android için outlook|ios için outlook|outlook'u edinin|az iphone-omról|androidos outlook|\
    ios-es outlook|obțineți outlook|trimis din |trimis de la |发送自|寄自我的|從我的 |來自我的|由我的 |从 windows|\
    获取适用于|下載 outlook|来自我的|来自 outlook|私のiphoneから送信|outlook for android を入手|android 版 outlook を入手|\
    ios 版 outlook を入手|windows 版のメールから送信|yahoo!メールから|나의 ipad에서 보냄|내 ipad에서 보냄|내 갤럭시|galaxy에서 보냄|\
    갤럭시에서 보냄|outlook for android 다운로드|outlook for ios 다운로드|ios용 outlook|android용 outlook".split('|').collect()
});

/// What makes a paragraph a legal notice: two of these, lower case.
pub(super) static LEGAL: LazyLock<Vec<&str>> = LazyLock::new(|| {
    "\
    confidential|intended recipient|intended solely|intended only|privileged|\
    if you have received this|if you are not the|received this message in error|\
    received this email in error|this e-mail|this email|this message|disclaimer|unauthorized|\
    unauthorised|delete it|disclosure|notify the sender|attachments|vertraulich|\
    rechtlich geschützt|nicht der richtige adressat|irrtümlich|diese e-mail|unbefugte weitergabe|\
    diese nachricht|informieren sie bitte|vernichten sie|confidentiel|destinataire|ce message|\
    par erreur|pièces jointes|cet e-mail|confidencial|destinatario|este mensaje|por error|\
    este correo|esta mensagem|destinatário|por engano|sigilos|riservat|questo messaggio|\
    questa e-mail|per errore|vertrouwelijk|geadresseerde|dit bericht|deze e-mail|ten onrechte|\
    fortrolig|denne e-mail|denne e-post|konfidentiell|detta meddelande|ved en feil|ved en fejl|\
    poufn|adresat|ta wiadomość|omyłkowo|конфиденциаль|данное сообщение|по ошибке|机密|保密|機密|\
    this communication|this transmission|legally privileged|disseminat|copying|der empfänger|\
    versehentlich|vertrauliche informationen|ce courriel|sans délai|usage exclusif|\
    informació confidencial|información confidencial|uso exclusivo|esta comunicación|\
    informação confidencial|informazioni riservate|d.lgs|gdpr|vertrouwelijke informatie|\
    denna e-post|tämä viesti|luottamuksellinen|informacje poufne|důvěrné|tato zpráva|bizalmas|\
    bu e-posta|gizlidir|настоящее сообщение|конфиденциальн|機密情報|本メール|본 메일|机密信息"
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
    ved en feil|ved en fejl|по ошибке|geadresseerde|received this communication in error|\
    received this in error|are not the addressee|not the named addressee|irrtuemlich|\
    versehentlich erhalten|sollten sie nicht der|nicht für sie bestimmt|\
    n'êtes pas le destinataire|si no es usted el destinatario|se não for o destinatário|\
    non siete i destinatari|indien u niet de|inte är avsedd|ikke er rette|eivät ole tarkoitettu|\
    nie jest adresatem|nie są państwo adresatem|nejste-li|ha nem ön a címzett|yanlışlıkla"
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
    el software de antivirus avast|please consider the environment before you print|\
    consider the environment|save paper|bitte schonen sie die umwelt|schützen sie die umwelt|\
    muss diese mail ausgedruckt|n'imprimez ce|pensez à l'environnement|avant d'imprimer cet|\
    antes de imprimir este|piense en el medio ambiente|pense no meio ambiente|pensi all'ambiente|\
    stampare questa|tänk på miljön|tænk på miljøet|tenk på miljøet|\
    this message was sent from an unmonitored|you are receiving this email because you|\
    to stop receiving emails from it|to unsubscribe send an email to|list-unsubscribe:"
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
    met vriendelijke groet|met vriendelijke groeten|vriendelijke groet|groeten|groet|mvg|bedankt|\
    med venlig hilsen|venlig hilsen|mvh|hilsen|med vennlig hilsen|vennlig hilsen|\
    med vänlig hälsning|vänliga hälsningar|med vänliga hälsningar|hälsningar|\
    ystävällisin terveisin|terveisin|pozdrawiam|z poważaniem|с уважением|s pozdravem|üdvözlettel|\
    saygılarımla|此致|顺颂商祺|よろしくお願いいたします|以上|kindest regards|warm wishes|with regards|\
    with best wishes|with kind regards and thanks|thanks a lot|thanks so much|\
    thank you very much|many thanks and best regards|thanks and best regards|\
    best regards and thanks|take care|talk soon|yours|rgrds|kr|tia|mit freundlichem gruss|\
    mit freundlichen gruessen|freundliche gruesse|freundlicher gruß|freundlichen gruß|\
    mit herzlichen grüßen|mit lieben grüßen|mit sonnigen grüßen|sonnige grüße|bis dann|bis bald|\
    besten dank|danke und gruß|danke und viele grüße|vielen dank und viele grüße|\
    vielen dank und freundliche grüße|vielen dank im voraus|herzlichen dank|hzl. grüße|bg|\
    lieben gruß|freundliche grüße aus|sincèrement|sincèrement vôtre|bien à toi|bien sincèrement|\
    bonne journée|belle journée|bonne réception|merci d'avance|merci beaucoup|\
    avec mes salutations|veuillez agréer|respectueusement|amicalement|à bientôt|cdt|bàv|\
    un cordial saludo|cordiales saludos|reciba un cordial saludo|saludos cordiales y gracias|\
    muchas gracias|muchas gracias y saludos|gracias y saludos|quedo a la espera|un abrazo|salu2|\
    melhores cumprimentos|grato|grata|um abraço|muito obrigado|muito obrigada|cumps|abs|\
    cordiais saudações|cordiais cumprimentos|un cordiale saluto|cordialità|grazie mille|\
    grazie e saluti|buona giornata|a presto|i migliori saluti|met hartelijke groet|\
    hartelijke groet|hartelijke groeten|vriendelijke groeten|groetjes|hoogachtend|alvast bedankt|\
    met vr. gr|bedste hilsner|bedste hilsen|de bedste hilsner|hilsner|kærlig hilsen|beste hilsen|\
    vennlige hilsener|hjertelig hilsen|takk|tak|på forhånd tak|bästa hälsningar|varma hälsningar|\
    hälsning|med vänlig hälsning,|tack|tack på förhand|vänligen|vänligen,|hsn|ystävällisesti|\
    parhain terveisin|yt|t|kiitos|kiittäen|serdecznie pozdrawiam|z wyrazami szacunku|\
    z pozdrowieniami|pozdrawiam serdecznie|dziękuję|z góry dziękuję|pozdr|\
    с наилучшими пожеланиями|с уважением и наилучшими пожеланиями|всего доброго|всего хорошего|\
    спасибо|благодарю|з повагою|з найкращими побажаннями|дякую|с поздрав|поздрави|\
    s přátelským pozdravem|s přáním hezkého dne|děkuji|hezký den|s úctou|ďakujem|tisztelettel|\
    köszönettel|köszönöm|cu stimă|cu respect|mulțumesc|saygılar|saygılarımızla|iyi çalışmalar|\
    teşekkürler|kolay gelsin|με εκτίμηση|φιλικά|ευχαριστώ|s poštovanjem|lijep pozdrav|\
    lep pozdrav|srdačan pozdrav|בברכה|תודה|مع خالص التحيات|تحياتي|مع التحية|شكرا|trân trọng|\
    hormat kami|salam|terima kasih|ขอแสดงความนับถือ|祝好|谢谢|谢谢！|順頌商祺|敬上|此致敬礼|顺祝商祺|謝謝|よろしくお願いします|\
    よろしくお願い致します|宜しくお願いします|宜しくお願い致します|敬具|감사합니다|감사합니다.|드림|lugupidamisega|parimat|ar cieņu|\
    pagarbiai|kveðja|bestu kveðjur"
        .split('|')
        .collect()
});

/// One of [`WROTE`], by itself or in another word.
pub(super) static ANY_WROTE: LazyWords = LazyWords::new(|| Words::new(WROTE.iter().copied()));
/// One of [`LEGAL`].
pub(super) static ANY_LEGAL: LazyWords = LazyWords::new(|| Words::new(LEGAL.iter().copied()));
/// One of [`LEGAL_CORE`].
pub(super) static ANY_LEGAL_CORE: LazyWords =
    LazyWords::new(|| Words::new(LEGAL_CORE.iter().copied()));
/// One of [`FOOTERS`].
pub(super) static ANY_FOOTER: LazyWords = LazyWords::new(|| Words::new(FOOTERS.iter().copied()));
/// Those of [`CLOSINGS`] that may go on.
pub(super) static LONG_CLOSINGS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let long = CLOSINGS.iter().copied();
    long.filter(|closing| closing.chars().count() > LONG_CLOSING_CHARS)
        .collect()
});
/// Characters of a closing that is one whatever follows it.
const LONG_CLOSING_CHARS: usize = 12;
