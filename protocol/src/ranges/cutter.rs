//! Cutting records off a stream of chunks.

/// A record's announced length is above the limit: whoever sent it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of {length} bytes is above the limit of {limit}")]
pub struct FrameTooLong {
    /// The announced length in bytes.
    pub length: usize,
    /// The limit in bytes.
    pub limit: usize,
}

const PREFIX: usize = 4;

/// Appends a record with its length.
pub fn write_record(record: &[u8], stream: &mut Vec<u8>) {
    write_record_pieces(&[record], stream);
}

/// Appends the record that these pieces make up, one after the other, with its length.
pub fn write_record_pieces(pieces: &[&[u8]], stream: &mut Vec<u8>) {
    let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let length = u32::try_from(length).expect("records are limited far below 4 GiB");
    stream.extend_from_slice(&length.to_le_bytes());
    pieces.iter().for_each(|piece| stream.extend_from_slice(piece));
}

/// Collects chunks of a body and gives out its records. Holds one unfinished record and one chunk at most.
#[derive(Debug)]
pub struct RecordCutter {
    limit: usize,
    buffer: Vec<u8>,
    start: usize,
}

impl RecordCutter {
    /// A cutter that refuses records above `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), start: 0 }
    }

    /// Takes in the next chunk of the body.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next record that has wholly arrived.
    ///
    /// # Errors
    /// [`FrameTooLong`], as soon as the length is known.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, FrameTooLong> {
        let Some((prefix, rest)) = self.buffer[self.start..].split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*prefix) as usize;
        if length > self.limit {
            return Err(FrameTooLong { length, limit: self.limit });
        }
        if rest.len() < length {
            return Ok(None);
        }
        let from = self.start + PREFIX;
        self.start = from + length;
        Ok(Some(&self.buffer[from..from + length]))
    }

    /// Whether everything that came in has been given out: false means that the body was cut short.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    proptest! {
        #[test]
        fn chunks_do_not_matter(records in vec(vec(any::<u8>(), 0..40), 0..10), chunk in 1usize..30) {
            let mut stream = Vec::new();
            for record in &records {
                write_record(record, &mut stream);
            }
            let mut cutter = RecordCutter::new(40);
            let mut cut = Vec::new();
            for chunk in stream.chunks(chunk) {
                cutter.push(chunk);
                while let Some(record) = cutter.next_record().unwrap() {
                    cut.push(record.to_vec());
                }
            }
            prop_assert!(cutter.is_empty());
            prop_assert_eq!(cut, records);
        }
    }

    #[test]
    fn a_huge_length_is_refused_before_its_bytes_arrive() {
        let mut cutter = RecordCutter::new(100);
        cutter.push(&101u32.to_le_bytes());
        assert_eq!(cutter.next_record(), Err(FrameTooLong { length: 101, limit: 100 }));
        let mut cutter = RecordCutter::new(100);
        cutter.push(&[5, 0, 0, 0, 1]);
        assert_eq!(cutter.next_record(), Ok(None));
        assert!(!cutter.is_empty());
    }
}
