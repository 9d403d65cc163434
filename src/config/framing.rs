//! `compress` and `comp-lzo`: which framing they ask for.

use alloc::format;
use alloc::string::String;

use crate::algorithm::Framing;

/// The framing that the option asks for: `None` if it is neither `compress` nor `comp-lzo`. A peer's compressed
/// packets are dropped, ours never compressed, so an algorithm stands for the framing of its uncompressed packets.
pub(crate) fn framing(words: &[&str]) -> Option<Result<Framing, String>> {
    Some(match words {
        ["comp-lzo"] | ["comp-lzo", "yes" | "no" | "adaptive"] | ["compress", "lzo"] => Ok(Framing::Lzo),
        ["compress"] | ["compress", "stub" | "lz4"] => Ok(Framing::Stub),
        ["compress", "stub-v2" | "lz4-v2"] => Ok(Framing::StubV2),
        ["compress", "migrate"] => {
            Err("'migrate' is not supported yet: name the framing, or leave compress away".into())
        }
        ["comp-lzo", other] => Err(format!("'{}' is not yes, no or adaptive", other)),
        ["compress", other] => Err(format!("'{}' is not stub, stub-v2, lzo, lz4 or lz4-v2", other)),
        _ => return None,
    })
}
