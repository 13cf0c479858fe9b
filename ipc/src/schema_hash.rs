//! What makes the schema hash. Shared by `build.rs` and `tests/schema.rs`, so that the test exercises the very function
//! that the build uses; it is no part of the crate itself.

use std::{fs, io, path::Path};

/// The files whose types travel: the messages, and the types that every message is made of.
pub(crate) fn sources(crate_folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let folder = crate_folder.join("src/messages");
    let mut files: Vec<_> = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    files.extend(["id.rs", "refusal.rs", "role.rs", "secret.rs"].map(|name| crate_folder.join("src").join(name)));
    Ok(files)
}

/// The shape of the message types in `source`: every item with its fields, types and numbers, without comments,
/// attributes, imports, and bodies of functions. Two sources of equal shape write and read the same bytes.
pub(crate) fn shape(source: &str) -> syn::Result<String> {
    use quote::ToTokens as _;
    let mut shape = String::new();
    for item in syn::parse_file(source)?.items {
        let tokens = match item {
            syn::Item::Struct(mut item) => {
                item.attrs.clear();
                item.fields.iter_mut().for_each(|field| field.attrs.clear());
                item.to_token_stream()
            }
            syn::Item::Enum(mut item) => {
                item.attrs.clear();
                for variant in &mut item.variants {
                    variant.attrs.clear();
                    variant.fields.iter_mut().for_each(|field| field.attrs.clear());
                }
                item.to_token_stream()
            }
            // The list of a service's methods: `service! { … }`, with its documentation removed.
            syn::Item::Macro(item) => without_attributes(item.mac.tokens),
            _ => continue,
        };
        shape.push_str(&tokens.to_string());
        shape.push('\n');
    }
    Ok(shape)
}

/// `tokens` without `#[…]`, which is what a documentation comment is to a macro.
fn without_attributes(tokens: proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    use proc_macro2::{Delimiter, Group, TokenTree};
    let mut kept = Vec::new();
    let mut after_hash = false;
    for token in tokens {
        match token {
            TokenTree::Punct(ref mark) if mark.as_char() == '#' => after_hash = true,
            TokenTree::Group(ref group) if after_hash && group.delimiter() == Delimiter::Bracket => after_hash = false,
            TokenTree::Group(group) => {
                kept.push(TokenTree::Group(Group::new(group.delimiter(), without_attributes(group.stream()))));
            }
            other => kept.push(other),
        }
    }
    kept.into_iter().collect()
}

/// 64-bit FNV-1a. It guards against forgetting, not against an attacker: who can change the binary needs no collision.
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
