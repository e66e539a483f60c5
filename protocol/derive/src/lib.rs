//! Derives `Encode` and `Decode` of `rekindle_protocol::encoding`: the fields in their order; of an enum, a byte with
//! the variant's number before them.
//!
//! A field of variable length says its limit: `#[encoding(list = N)]` entries, `#[encoding(text = N)]` or
//! `#[encoding(bytes = N)]` bytes. `#[encoding(with = module)]` is read and written by `module::decode` and
//! `module::encode`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Expr, Fields, GenericParam, Path, Token, parse_macro_input, parse_quote};

/// Derives `Encode`.
#[proc_macro_derive(Encode, attributes(encoding))]
pub fn encode(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    encode_impl(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `Decode`.
#[proc_macro_derive(Decode, attributes(encoding))]
pub fn decode(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    decode_impl(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

fn encode_impl(input: &DeriveInput) -> syn::Result<TokenStream> {
    let body = match &input.data {
        Data::Struct(data) => {
            let (pattern, writes) = taken_apart(&data.fields)?;
            quote! { let Self #pattern = self; #(#writes)* }
        }
        Data::Enum(data) => {
            let arms = data.variants.iter().enumerate().map(|(number, variant)| {
                let (number, name) = (variant_number(number), &variant.ident);
                let (pattern, writes) = taken_apart(&variant.fields)?;
                Ok(quote! { Self::#name #pattern => { to.push(#number); #(#writes)* } })
            });
            let arms = arms.collect::<syn::Result<Vec<_>>>()?;
            quote! { match self { #(#arms)* } }
        }
        Data::Union(_) => return Err(syn::Error::new_spanned(input, "a union has no encoding")),
    };
    let encode = quote! { fn encode(&self, to: &mut Vec<u8>) { #body } };
    Ok(implementation(input, &parse_quote!(::rekindle_protocol::encoding::Encode), &encode))
}

fn decode_impl(input: &DeriveInput) -> syn::Result<TokenStream> {
    let body = match &input.data {
        Data::Struct(data) => {
            let value = put_together(&data.fields)?;
            quote! { Self #value }
        }
        Data::Enum(data) => {
            let arms = data.variants.iter().enumerate().rev().map(|(number, variant)| {
                let name = &variant.ident;
                let value = put_together(&variant.fields)?;
                // A decoder that has failed gives some value to the end, and nobody sees it.
                Ok(if number == 0 {
                    quote! { number => { if number != 0 { from.fail("an unknown kind"); } Self::#name #value } }
                } else {
                    let number = variant_number(number);
                    quote! { #number => Self::#name #value, }
                })
            });
            let arms = arms.collect::<syn::Result<Vec<_>>>()?;
            quote! { match from.byte() { #(#arms)* } }
        }
        Data::Union(_) => return Err(syn::Error::new_spanned(input, "a union has no encoding")),
    };
    let decode =
        quote! { fn decode(from: &mut ::rekindle_protocol::encoding::Decoder<'_>) -> Self { #body } };
    Ok(implementation(input, &parse_quote!(::rekindle_protocol::encoding::Decode), &decode))
}

fn implementation(input: &DeriveInput, of: &Path, method: &TokenStream) -> TokenStream {
    let mut generics = input.generics.clone();
    for parameter in &mut generics.params {
        if let GenericParam::Type(parameter) = parameter {
            parameter.bounds.push(parse_quote!(#of));
        }
    }
    let name = &input.ident;
    let (parameters, arguments, conditions) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #of for #name #arguments #conditions { #method }
    }
}

fn variant_number(number: usize) -> u8 {
    u8::try_from(number).expect("no enum here comes near to 256 variants")
}

/// A pattern that names all fields, and what writes each.
fn taken_apart(fields: &Fields) -> syn::Result<(TokenStream, Vec<TokenStream>)> {
    let names = names(fields);
    let writes = fields.iter().zip(&names).map(|(field, name)| {
        Ok(match Form::of(field)? {
            Form::With(module) => quote! { #module::encode(#name, to); },
            Form::Plain | Form::Limited(..) => {
                quote! { ::rekindle_protocol::encoding::Encode::encode(#name, to); }
            }
        })
    });
    let pattern = match fields {
        Fields::Named(_) => quote! { { #(#names),* } },
        Fields::Unnamed(_) => quote! { ( #(#names),* ) },
        Fields::Unit => quote! {},
    };
    Ok((pattern, writes.collect::<syn::Result<_>>()?))
}

/// An expression, less the type, that reads all fields.
fn put_together(fields: &Fields) -> syn::Result<TokenStream> {
    let reads = fields.iter().map(|field| {
        Ok(match Form::of(field)? {
            Form::Plain => quote! { ::rekindle_protocol::encoding::Decode::decode(from) },
            Form::Limited(kind, limit) => quote! { from.#kind(#limit) },
            Form::With(module) => quote! { #module::decode(from) },
        })
    });
    let reads = reads.collect::<syn::Result<Vec<_>>>()?;
    let names = names(fields);
    Ok(match fields {
        Fields::Named(_) => quote! { { #(#names: #reads),* } },
        Fields::Unnamed(_) => quote! { ( #(#reads),* ) },
        Fields::Unit => quote! {},
    })
}

fn names(fields: &Fields) -> Vec<Ident> {
    let name = |(at, field): (usize, &syn::Field)| {
        field.ident.clone().unwrap_or_else(|| format_ident!("field_{at}"))
    };
    fields.iter().enumerate().map(name).collect()
}

/// How a field is encoded.
enum Form {
    /// As its type says.
    Plain,
    /// By the decoder's method of this name, with a limit.
    Limited(Ident, Expr),
    /// By the functions of a module.
    With(Path),
}

impl Form {
    fn of(field: &syn::Field) -> syn::Result<Self> {
        let Some(attribute) = field.attrs.iter().find(|attribute| attribute.path().is_ident("encoding"))
        else {
            return Ok(Self::Plain);
        };
        attribute.parse_args_with(|input: syn::parse::ParseStream<'_>| {
            let kind: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match kind.to_string().as_str() {
                "list" | "text" | "bytes" => Ok(Self::Limited(kind, input.parse()?)),
                "with" => Ok(Self::With(input.parse()?)),
                _ => Err(syn::Error::new_spanned(kind, "`list`, `text`, `bytes` or `with`")),
            }
        })
    }
}
