//! What simulated people are called and what they say.
//!
//! In: positions. Out: ids, names and sentences. Always holds: user ids come in ascending order of
//! their position, so that a pair that was sorted in a sample is still sorted with other people.

/// How many people there are.
pub(super) const USERS: usize = NAMES.len() * HOMES;
/// How many groups there are.
pub(super) const GROUPS: usize = 120;

const HOMES: usize = 5;

/// In ascending order of the id that is made of them.
const NAMES: [(&str, &str); 40] = [
    ("aiko", "愛子"),
    ("amara", "Amara Obi"),
    ("anders", "Anders Berg"),
    ("bao", "阿宝"),
    ("beatriz", "Beatriz Lima"),
    ("bjorn", "Bjørn Dahl"),
    ("carmen", "Carmen Ruiz"),
    ("chen", "陈晨"),
    ("dalia", "داليا"),
    ("deniz", "Deniz Kaya"),
    ("elif", "Elif Şahin"),
    ("emil", "Emil Novák"),
    ("fatima", "فاطمة"),
    ("giulia", "Giulia Conti"),
    ("hana", "하나"),
    ("hugo", "Hugo Martin"),
    ("ines", "Inês Costa"),
    ("ivan", "Иван Петров"),
    ("jonas", "Jonas Keller"),
    ("kaito", "海斗"),
    ("lena", "Lena Vogt"),
    ("linh", "Linh Trần"),
    ("maja", "Maja Kowalska"),
    ("mei", "梅"),
    ("milan", "Milan Horvat"),
    ("nadia", "Nadia Haddad"),
    ("noor", "نور"),
    ("olga", "Ольга Смирнова"),
    ("oskar", "Oskar Lind"),
    ("priya", "प्रिया"),
    ("quinn", "Quinn O'Neill"),
    ("rafael", "Rafael Souza"),
    ("sakura", "さくら"),
    ("selma", "Selma Haugen"),
    ("tariq", "طارق"),
    ("tomas", "Tomáš Dvořák"),
    ("uma", "Uma Rao"),
    ("wei", "小伟"),
    ("yusuf", "Yusuf Demir"),
    ("zoe", "Zoë & Max"),
];

/// What is said in chats. Quotes, markup, line ends and emoji are there because people type them, those
/// about money because of the starter set of rules: they are refused or masked.
pub(super) const SENTENCES: [&str; 39] = [
    "Good morning! Are we still on for 10?",
    "ok",
    "Can someone share the address again?",
    "明天下午三点开会,别忘了。",
    "收到,谢谢!",
    "今晚一起吃火锅吗?🍲",
    "Ich komme zehn Minuten später, bitte fangt schon an.",
    "Haha, genau so war's 😄",
    "¿Quién trae el café mañana?",
    "Ya está pagado, gracias.",
    "On se retrouve devant la gare à 18 h ?",
    "C'est noté, à demain !",
    "お疲れさまです。資料を送りました。",
    "了解です!",
    "지금 어디예요?",
    "네, 금방 도착해요 🚕",
    "Спасибо, всё получил.",
    "Кто сегодня дежурит?",
    "شكرًا جزيلًا، نلتقي غدًا",
    "متى يبدأ الاجتماع؟",
    "आज शाम को मिलते हैं",
    "Hẹn gặp lại ở quán cũ nhé",
    "Toplantı saat üçe alındı.",
    "Amanhã confirmo com o pessoal 👍",
    "The build is green again, thanks to whoever fixed the flaky test.",
    "if (a < b && b > c) { return \"fine\"; }",
    "See https://example.org/menu?day=5&lang=en for lunch.",
    "line one\nline two\nline three",
    "Free coins for everybody! 加微信 lucky-7 now",
    "Who joins me at the casino tonight? 赌博吗?",
    "兼职日结,加 微 信 详聊",
    "👍",
    "🎂🎉🎉 happy birthday!!",
    "Please don't share this outside the team.",
    "I'll call you back in 5, on the train right now",
    "Price is 1.299,00 € or 12,800円, your choice",
    "\"Never again\", she said, and ordered another one.",
    "Wer hat den Schlüssel zum Besprechungsraum?",
    "Long story short: the parcel went to the wrong city, came back, was sent out again, and \
     should be here on Thursday. I have the tracking number if anybody wants to follow its \
     adventures. Meanwhile we can use the old one, it still works if you hold the cable.",
];

/// The id of a user. `position` wraps around at [`USERS`].
pub(super) fn user_id(position: usize) -> String {
    let position = position % USERS;
    format!("{}{}", NAMES[position / HOMES].0, position % HOMES + 1)
}

/// The name that a user shows to others.
pub(super) fn nickname(position: usize) -> &'static str {
    NAMES[position % USERS / HOMES].1
}

/// Ten digits, as OpenIM makes them.
pub(super) fn group_number(position: usize) -> String {
    format!("{}", 2_559_562_349 + scatter(position) % 1_000_000_000)
}

/// Nine letters and digits, as Tencent makes them.
pub(super) fn group_code(position: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut rest = scatter(position);
    let digits = std::iter::repeat_with(|| {
        let digit = usize::try_from(rest % 36).expect("less than 36");
        rest /= 36;
        char::from(DIGITS[digit])
    });
    std::iter::once('2').chain(digits.take(8)).collect()
}

/// Spreads neighbours far apart; the same position always gives the same number.
fn scatter(position: usize) -> u64 {
    let position = u64::try_from(position % GROUPS).expect("a small number");
    (position + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn user_ids_ascend_and_repeat_nobody() {
        let ids: Vec<String> = (0..USERS).map(user_id).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), USERS);
    }

    #[test]
    fn groups_have_ids_of_their_own() {
        let numbers: BTreeSet<String> = (0..GROUPS).map(group_number).collect();
        let codes: BTreeSet<String> = (0..GROUPS).map(group_code).collect();
        assert_eq!((numbers.len(), codes.len()), (GROUPS, GROUPS));
        assert!(numbers.iter().all(|id| id.len() == 10), "{numbers:?}");
    }
}
