//! 統一編號: the eight digits of a company, and their check digit.

/// The 統一編號 in an organisation code of a company: `EB` and eight digits.
#[must_use]
pub fn company_number(code: &str) -> Option<&str> {
    code.strip_prefix("EB")
        .filter(|number| number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether eight digits can be a 統一編號.
///
/// The digits are multiplied with 1 2 1 2 1 2 4 1, the digits of the products added up; the sum must be divisible by 5.
/// Where the seventh digit is 7, its product 28 gives 10, which may count as 1 or as 0. (Until 2023 the sum had to be
/// divisible by 10; numbers of that time fit as well.) Only a warning may hang on it.
#[must_use]
pub fn is_company_number(text: &str) -> bool {
    const WEIGHTS: [u32; 8] = [1, 2, 1, 2, 1, 2, 4, 1];
    let bytes = text.as_bytes();
    if bytes.len() != 8 || !bytes.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let product = |(byte, weight): (&u8, u32)| u32::from(byte - b'0') * weight;
    let sum: u32 = bytes.iter().zip(WEIGHTS).map(product).map(|product| product / 10 + product % 10).sum();
    // 28 was added as 10, which is 0 modulo 5; the other reading adds 1
    sum.is_multiple_of(5) || (bytes.get(6) == Some(&b'7') && (sum + 1).is_multiple_of(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits() {
        // published numbers: TSMC, 中華電信, the example of the Ministry of Finance
        for good in ["22099131", "96979933", "04595257", "84149961"] {
            assert!(is_company_number(good), "{good}");
        }
        // the seventh digit is 7: the sum is 30 (10458575), 29 (10458574), 25 (10458570)
        for good in ["10458575", "10458574", "10458570", "12345670", "12345675"] {
            assert!(is_company_number(good), "{good}");
        }
        for bad in ["22099132", "96979934", "04595258", "10458571", "12345678", "", "1234567", "123456755"] {
            assert!(!is_company_number(bad), "{bad}");
        }
        assert!(!is_company_number("2209913１"), "full-width digits are none");
    }

    #[test]
    fn only_company_codes_have_one() {
        assert_eq!(company_number("EB22099131"), Some("22099131"));
        for other in ["A123456789", "EB2209913", "EB2209913A", "EB220991310", ""] {
            assert_eq!(company_number(other), None, "{other}");
        }
    }
}
