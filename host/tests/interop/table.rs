//! The table of cases: what OpenVPN and adit may meet over, covered in pairs by its first rows and in triples by all.

use crate::lab::pki::Keys;

use Cipher::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305};
use Derivation::{Ekm, Prf};
use Keys::{Ec, Rsa};
use Outer::{V4, V6};
use Tls::{V1_2, V1_3};
use Transport::{Tcp, Udp};
use Wrap::{Plain, TlsAuth, TlsCrypt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The outer address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outer {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
}

/// What protects the control channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    Plain,
    TlsAuth,
    TlsCrypt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    V1_2,
    V1_3,
}

/// Where data keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derivation {
    Prf,
    Ekm,
}

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row(
    pub(crate) Transport,
    pub(crate) Outer,
    pub(crate) Cipher,
    pub(crate) Wrap,
    pub(crate) Tls,
    pub(crate) Derivation,
    pub(crate) Keys,
);

impl Row {
    pub(crate) fn name(&self) -> String {
        let Self(transport, outer, cipher, wrap, tls, derivation, keys) = self;
        format!("{transport:?} {outer:?} {cipher:?} {wrap:?} {tls:?} {derivation:?} {keys:?}")
    }
}

/// Rows enough that every pair of values meets; all of [`TABLE`] when `ADIT_FULL` is set.
pub(crate) fn rows() -> &'static [Row] {
    if std::env::var_os("ADIT_FULL").is_some() { &TABLE } else { &TABLE[..PAIRWISE] }
}

const PAIRWISE: usize = 9;

#[rustfmt::skip]
const TABLE: [Row; 24] = [
    Row(Udp, V4, Aes128Gcm,        TlsCrypt, V1_2, Prf, Rsa),
    Row(Tcp, V4, Aes256Gcm,        TlsCrypt, V1_3, Ekm, Rsa),
    Row(Udp, V6, Aes256Gcm,        TlsAuth,  V1_2, Prf, Ec),
    Row(Tcp, V4, ChaCha20Poly1305, Plain,    V1_3, Ekm, Ec),
    Row(Udp, V6, Aes128Gcm,        Plain,    V1_2, Ekm, Rsa),
    Row(Tcp, V4, ChaCha20Poly1305, TlsAuth,  V1_2, Ekm, Rsa),
    Row(Udp, V6, ChaCha20Poly1305, TlsCrypt, V1_3, Prf, Ec),
    Row(Tcp, V6, Aes256Gcm,        Plain,    V1_2, Prf, Rsa),
    Row(Tcp, V6, Aes128Gcm,        TlsAuth,  V1_3, Prf, Ec),
    Row(Udp, V4, Aes256Gcm,        Plain,    V1_3, Prf, Rsa),
    Row(Udp, V4, Aes128Gcm,        Plain,    V1_3, Prf, Ec),
    Row(Udp, V4, ChaCha20Poly1305, Plain,    V1_2, Ekm, Ec),
    Row(Udp, V4, ChaCha20Poly1305, TlsAuth,  V1_3, Prf, Rsa),
    Row(Udp, V6, Aes256Gcm,        TlsCrypt, V1_2, Ekm, Rsa),
    Row(Udp, V6, Aes128Gcm,        TlsAuth,  V1_3, Ekm, Rsa),
    Row(Udp, V6, ChaCha20Poly1305, TlsAuth,  V1_3, Ekm, Ec),
    Row(Tcp, V4, Aes256Gcm,        TlsCrypt, V1_2, Prf, Ec),
    Row(Tcp, V4, Aes256Gcm,        TlsAuth,  V1_3, Ekm, Rsa),
    Row(Tcp, V4, Aes128Gcm,        Plain,    V1_2, Ekm, Rsa),
    Row(Tcp, V4, Aes128Gcm,        TlsAuth,  V1_2, Ekm, Ec),
    Row(Tcp, V4, ChaCha20Poly1305, TlsCrypt, V1_2, Ekm, Rsa),
    Row(Tcp, V6, Aes256Gcm,        Plain,    V1_3, Ekm, Ec),
    Row(Tcp, V6, Aes128Gcm,        TlsCrypt, V1_3, Ekm, Ec),
    Row(Tcp, V6, ChaCha20Poly1305, Plain,    V1_2, Prf, Rsa),
];

#[test]
fn the_first_rows_cover_every_pair_and_all_rows_every_triple() {
    let rows: Vec<[String; 7]> = TABLE.iter().map(values).collect();
    for columns in 0_u32..1 << 7 {
        let (part, choice): (_, Vec<usize>) = match columns.count_ones() {
            2 => (&rows[..PAIRWISE], bits(columns)),
            3 => (&rows[..], bits(columns)),
            _ => continue,
        };
        let mut wanted = vec![vec![]];
        for column in &choice {
            let values = distinct(rows.iter().map(|row| row[*column].clone()));
            assert_eq!(values.len(), if matches!(column, 2 | 3) { 3 } else { 2 });
            wanted = wanted
                .iter()
                .flat_map(|head: &Vec<String>| {
                    values.iter().map(|value| [&head[..], core::slice::from_ref(value)].concat())
                })
                .collect();
        }
        let present =
            distinct(part.iter().map(|row| choice.iter().map(|column| row[*column].clone()).collect()));
        for combination in wanted {
            assert!(present.contains(&combination), "no row has {combination:?}");
        }
    }
}

fn values(row: &Row) -> [String; 7] {
    let words: Vec<String> = row.name().split(' ').map(str::to_owned).collect();
    words.try_into().expect("seven columns")
}

fn bits(mask: u32) -> Vec<usize> {
    (0..7).filter(|bit| mask >> bit & 1 == 1).collect()
}

fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut items: Vec<T> = items.collect();
    items.sort_unstable();
    items.dedup();
    items
}
