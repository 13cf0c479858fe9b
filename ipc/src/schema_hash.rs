// Shared by `build.rs` and `tests/schema.rs`, so that the test exercises the very function that makes the hash.

/// The shape of the message types in `source`: every item with its fields, types and numbers, without comments,
/// attributes, imports, and bodies of functions. Two sources of equal shape write and read the same bytes.
fn shape(source: &str) -> syn::Result<String> {
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
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
