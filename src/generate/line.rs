//! One line of NDJSON, as the users' clients write them, sound or with one fault.

use super::cast::Cast;
use super::dice::Dice;
use super::text::{clock, digits, ip_address, uuid};

const USER_AGENTS: [&str; 8] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Instagram 331.0.0.37.90 Android (34/14; 420dpi; 1080x2340; samsung; SM-S911B; es_CO)",
    "TikTok 34.5.3 rv:345030 (iPhone; iOS 17.4.1; es_CO) Cronet",
    "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
];
/// The last one is "none", which carries no number.
const REFERRERS: [&str; 8] = [
    "https://www.google.com/",
    "https://instagram.com/",
    "https://l.facebook.com/l.php",
    "https://t.co/",
    "https://x.com/i/",
    "https://youtube.com/watch?v=",
    "https://www.tiktok.com/@",
    "",
];
const REFERRER_NUMBERS: u32 = 100_000;
const USERS: u32 = 1_000_000;

/// Of a thousand events: impressions, then impressions and clicks; the others are conversions. With the faults of money,
/// which only conversions have, these make 80 %, 15 % and 5 %.
const IMPRESSIONS: u32 = 803;
const IMPRESSIONS_AND_CLICKS: u32 = 954;
const SALES_PERCENT: u32 = 60;
/// Sign-ups that say that they are worth something.
const SIGN_UPS_WITH_AMOUNT_PERCENT: u32 = 50;
/// A currency, its share of ten, and the bound of its amounts in hundredths.
const CURRENCIES: [(&str, u32, u32); 3] = [("COP", 6, 50_000_000), ("USD", 3, 50_000), ("EUR", 1, 50_000)];

const UNKNOWN_CURRENCIES: [&str; 4] = ["XXX", "BTC", "cop", ""];
const BAD_TIMESTAMPS: [&str; 4] = ["ayer", "2026-01-01 25:00", "1767225600000", ""];

/// The one thing that is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    NegativeAmount,
    UnknownCurrency,
    NoCampaign,
    BadTimestamp,
    CutShort,
}

impl Fault {
    pub(super) const ALL: [Self; 5] =
        [Self::NegativeAmount, Self::UnknownCurrency, Self::NoCampaign, Self::BadTimestamp, Self::CutShort];

    const fn concerns_money(self) -> bool {
        matches!(self, Self::NegativeAmount | Self::UnknownCurrency)
    }
}

/// Writes a line that happened at `time` (milliseconds since 1970), with its newline.
pub(super) fn write(out: &mut Vec<u8>, cast: &Cast, time: i64, fault: Option<Fault>, dice: &mut Dice) {
    let start = out.len();
    let kind = dice.below(1_000);
    let is_conversion = kind >= IMPRESSIONS_AND_CLICKS || fault.is_some_and(Fault::concerns_money);
    write_head(out, is_conversion, cast, fault, dice);
    if is_conversion {
        write_conversion(out, fault, dice);
    } else {
        write_impression(out, kind < IMPRESSIONS, dice);
    }
    out.extend_from_slice(br#","timestamp":""#);
    if fault == Some(Fault::BadTimestamp) {
        out.extend_from_slice(dice.pick(BAD_TIMESTAMPS).as_bytes());
    } else {
        clock(out, time);
    }
    out.extend_from_slice(br#""}"#);
    if fault == Some(Fault::CutShort) {
        cut_short(out, start, dice);
    }
    out.push(b'\n');
}

fn write_head(out: &mut Vec<u8>, is_conversion: bool, cast: &Cast, fault: Option<Fault>, dice: &mut Dice) {
    let command = if is_conversion { "registrar-conversion" } else { "registrar-impresion" };
    out.extend_from_slice(br#"{"comando":""#);
    out.extend_from_slice(command.as_bytes());
    out.extend_from_slice(br#"","id":""#);
    uuid(out, [dice.word(), dice.word(), dice.word(), dice.word()]);
    let (influencer, campaign) = cast.draw(dice);
    if fault != Some(Fault::NoCampaign) {
        out.extend_from_slice(r#"","campaña_id":"cmp-"#.as_bytes());
        digits(out, campaign, 4);
    }
    out.extend_from_slice(br#"","influencer_id":"inf-"#);
    digits(out, influencer, 5);
    out.extend_from_slice(br#"","usuario_id":"usr-"#);
    digits(out, dice.below(USERS), 6);
}

fn write_impression(out: &mut Vec<u8>, is_impression: bool, dice: &mut Dice) {
    out.extend_from_slice(br#"","tipo_evento":""#);
    out.extend_from_slice(if is_impression { b"IMPRESION" } else { b"CLICK" });
    out.extend_from_slice(br#"","user_agent":""#);
    out.extend_from_slice(dice.pick(USER_AGENTS).as_bytes());
    out.extend_from_slice(br#"","ip_address":""#);
    ip_address(out, dice.word());
    out.extend_from_slice(br#"","referrer":""#);
    let referrer = dice.pick(REFERRERS);
    out.extend_from_slice(referrer.as_bytes());
    if !referrer.is_empty() {
        digits(out, dice.below(REFERRER_NUMBERS), 1);
    }
    out.push(b'"');
}

fn write_conversion(out: &mut Vec<u8>, fault: Option<Fault>, dice: &mut Dice) {
    let is_sale = dice.chance(SALES_PERCENT, 100);
    let (currency, amount_bound) = currency(dice);
    let is_negative = fault == Some(Fault::NegativeAmount);
    let has_amount = is_sale || is_negative || dice.chance(SIGN_UPS_WITH_AMOUNT_PERCENT, 100);
    // Never 0 where one is wanted: -0 would be no fault.
    let hundredths = if has_amount { 1 + dice.below(amount_bound - 1) } else { 0 };
    out.extend_from_slice(br#"","tipo_conversion":""#);
    out.extend_from_slice(if is_sale { b"VENTA" } else { b"REGISTRO" });
    out.extend_from_slice(br#"","valor":""#);
    if is_negative {
        out.push(b'-');
    }
    digits(out, hundredths / 100, 1);
    out.push(b'.');
    digits(out, hundredths % 100, 2);
    out.extend_from_slice(br#"","moneda":""#);
    let is_unknown = fault == Some(Fault::UnknownCurrency);
    out.extend_from_slice(if is_unknown { dice.pick(UNKNOWN_CURRENCIES) } else { currency }.as_bytes());
    out.push(b'"');
}

fn currency(dice: &mut Dice) -> (&'static str, u32) {
    let mut at = dice.below(CURRENCIES.iter().map(|(_, share, _)| share).sum());
    for (code, share, bound) in CURRENCIES {
        if at < share {
            return (code, bound);
        }
        at -= share;
    }
    let [(code, _, bound), ..] = CURRENCIES;
    (code, bound)
}

/// Leaves at least one byte, and no half of a letter: the file stays UTF-8.
fn cut_short(out: &mut Vec<u8>, start: usize, dice: &mut Dice) {
    let length = out.len() - start;
    let mut end = start + 1 + dice.below(length as u32 - 1) as usize;
    while out[end] & 0b1100_0000 == 0b1000_0000 {
        end -= 1;
    }
    out.truncate(end);
}
