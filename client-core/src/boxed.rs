//! Errors in boxes. A result has room for its error and every `?` moves it, so what is rare and large travels in a box.

/// Lets `?` make an error of any of its sources, in the error's box.
macro_rules! boxed_from {
    ($error:ty: $($source:ty),+ $(,)?) => {
        $(impl From<$source> for Box<$error> {
            fn from(error: $source) -> Self {
                Box::new(error.into())
            }
        })+
    };
}

pub(crate) use boxed_from;
