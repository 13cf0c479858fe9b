//! Writes a tiny GGUF whose answer is a script, for tests against a real llama.cpp server.
//!
//! The architecture is a real `llama` with attention and feed-forward weights zero, so that the next token is a table
//! look-up of the current one (a bigram table in the output matrix). The server's code is real; only the weights are a
//! script. The format is GGUF version 3 as ggml's `docs/gguf.md` describes it.

use std::collections::{HashMap, HashSet};

const TEMPLATE: &str = r#"{%- if tools %}<|im_start|>system
# Tools
You may call functions. Signatures within <tools></tools>:
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools>
For each call return a json object within <tool_call></tool_call> tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% endif %}{%- for m in messages %}{%- if m.role == 'tool' %}<|im_start|>user
<tool_response>
{{ m.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ m.role }}
{{ m.content if m.content else '' }}{% if m.tool_calls %}{% for c in m.tool_calls %}
<tool_call>
{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endif %}{%- endfor %}{%- if add_generation_prompt %}{% if messages[-1].role == 'tool' %}{{ '<|im_start|>assistant\t' }}{% else %}{{ '<|im_start|>assistant\n' }}{% endif %}{% endif %}"#;

/// Tokens of the tokenizer's own kinds: normal, control, user-defined.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// Probability of the scripted token, as a logit before the soft-max.
const LOGIT: f32 = 30.0;

/// GGUF's alignment of tensor data.
const ALIGNMENT: usize = 32;

/// The bytes of a model that answers a person's question with `answer` and a tool's result with `after_tool`. Each piece
/// becomes one token and may occur once only in both together (it is the key of the table).
pub fn scripted(answer: &[&str], after_tool: &[&str]) -> Vec<u8> {
    let mut words = Words::new();
    let starts = [words.byte(b'\n'), words.byte(b'\t')];
    let scripts = [answer, after_tool].map(|pieces| pieces.iter().map(|piece| words.add(piece)).collect::<Vec<_>>());
    let size = words.tokens.len();
    let width = size.next_multiple_of(32);

    let mut embedding = vec![0.0; size * width];
    for token in 0..size {
        embedding[token * width + token] = 1.0;
    }
    let push = LOGIT / (width as f32).sqrt();
    let mut table = vec![0.0; size * width];
    // By default anything ends the answer.
    table[END * width..END * width + size].fill(push);
    for (start, script) in starts.into_iter().zip(&scripts) {
        let mut from = start;
        for &following in script {
            table[END * width + from] = 0.0;
            table[following * width + from] = push;
            from = following;
        }
    }

    let mut file = File::new();
    file.text("general.architecture", "llama");
    file.text("general.name", "scripted");
    file.number("general.file_type", 0);
    for (name, number) in [
        ("context_length", 65_536),
        ("embedding_length", width),
        ("block_count", 1),
        ("feed_forward_length", 32),
        ("attention.head_count", 2),
        ("attention.head_count_kv", 1),
        ("rope.dimension_count", width / 2),
        ("vocab_size", size),
    ] {
        file.number(&format!("llama.{name}"), number);
    }
    file.real("llama.attention.layer_norm_rms_epsilon", 1e-6);
    file.real("llama.rope.freq_base", 10_000.0);
    file.text("tokenizer.ggml.model", "gpt2");
    file.text("tokenizer.ggml.pre", "gpt-2");
    file.texts("tokenizer.ggml.tokens", &words.tokens);
    file.texts("tokenizer.ggml.merges", &[words.merge.clone()]);
    file.numbers("tokenizer.ggml.token_type", &words.kinds);
    file.number("tokenizer.ggml.bos_token_id", 0);
    file.number("tokenizer.ggml.eos_token_id", END);
    file.truth("tokenizer.ggml.add_bos_token", false);
    file.text("tokenizer.chat_template", TEMPLATE);

    file.tensor("token_embd.weight", &[width, size], &embedding);
    file.tensor("output.weight", &[width, size], &table);
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
        file.tensor(&format!("{name}.weight"), &[width], &vec![1.0; width]);
    }
    for (name, from, to) in [
        ("attn_q", width, width),
        ("attn_k", width, width / 2),
        ("attn_v", width, width / 2),
        ("attn_output", width, width),
        ("ffn_gate", width, 32),
        ("ffn_up", width, 32),
        ("ffn_down", 32, width),
    ] {
        file.tensor(&format!("blk.0.{name}.weight"), &[from, to], &vec![0.0; from * to]);
    }
    file.finish()
}

/// The token that ends an answer.
const END: usize = 2;

/// The vocabulary: GPT-2's 256 bytes, three marks, and the script's pieces.
struct Words {
    tokens: Vec<String>,
    kinds: Vec<i32>,
    index: HashMap<String, usize>,
    used: HashSet<String>,
    letters: Vec<char>,
    merge: String,
}

impl Words {
    fn new() -> Words {
        let letters = byte_alphabet();
        let mut tokens: Vec<String> = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(str::to_owned).to_vec();
        tokens.extend(letters.iter().map(char::to_string));
        // llama.cpp wants at least one merge.
        tokens.push(format!("{}{}", letters[1], letters[2]));
        let mut kinds = vec![NORMAL; tokens.len()];
        kinds[..3].fill(CONTROL);
        let merge = format!("{} {}", letters[1], letters[2]);
        let index = tokens.iter().cloned().zip(0..).collect();
        Words { tokens, kinds, index, used: HashSet::new(), letters, merge }
    }

    fn byte(&self, byte: u8) -> usize {
        self.index[&self.letters[usize::from(byte)].to_string()]
    }

    fn add(&mut self, piece: &str) -> usize {
        assert!(self.used.insert(piece.to_owned()), "piece occurs twice: {piece:?}");
        if let Some(&number) = self.index.get(piece) {
            return number;
        }
        let number = self.tokens.len();
        self.index.insert(piece.to_owned(), number);
        self.tokens.push(piece.to_owned());
        self.kinds.push(USER_DEFINED);
        number
    }
}

/// GPT-2's reversible map from bytes to printable characters.
fn byte_alphabet() -> Vec<char> {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut extra = 0;
    (0..=255)
        .map(|byte: u8| {
            if printable(byte) {
                return char::from(byte);
            }
            extra += 1;
            char::from_u32(255 + extra).expect("below the surrogates")
        })
        .collect()
}

struct File {
    pairs: Vec<u8>,
    pair_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
    data: Vec<u8>,
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

impl File {
    const U32: u32 = 4;
    const I32: u32 = 5;
    const F32: u32 = 6;
    const BOOL: u32 = 7;
    const STRING: u32 = 8;
    const ARRAY: u32 = 9;

    fn new() -> File {
        File { pairs: Vec::new(), pair_count: 0, tensors: Vec::new(), tensor_count: 0, data: Vec::new() }
    }

    fn pair(&mut self, name: &str, kind: u32) -> &mut Vec<u8> {
        self.pair_count += 1;
        put_text(&mut self.pairs, name);
        self.pairs.extend(kind.to_le_bytes());
        &mut self.pairs
    }

    fn array(&mut self, name: &str, kind: u32, length: usize) -> &mut Vec<u8> {
        let bytes = self.pair(name, File::ARRAY);
        bytes.extend(kind.to_le_bytes());
        bytes.extend((length as u64).to_le_bytes());
        bytes
    }

    fn text(&mut self, name: &str, text: &str) {
        put_text(self.pair(name, File::STRING), text);
    }

    fn number(&mut self, name: &str, number: usize) {
        let number = u32::try_from(number).expect("small");
        self.pair(name, File::U32).extend(number.to_le_bytes());
    }

    fn real(&mut self, name: &str, real: f32) {
        self.pair(name, File::F32).extend(real.to_le_bytes());
    }

    fn truth(&mut self, name: &str, truth: bool) {
        self.pair(name, File::BOOL).push(truth.into());
    }

    fn texts(&mut self, name: &str, texts: &[String]) {
        let bytes = self.array(name, File::STRING, texts.len());
        texts.iter().for_each(|text| put_text(bytes, text));
    }

    fn numbers(&mut self, name: &str, numbers: &[i32]) {
        let bytes = self.array(name, File::I32, numbers.len());
        numbers.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    }

    /// `shape` with the innermost dimension first, as ggml has it.
    fn tensor(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        const F32_TENSOR: u32 = 0;
        assert_eq!(shape.iter().product::<usize>(), values.len());
        self.tensor_count += 1;
        put_text(&mut self.tensors, name);
        self.tensors.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|&length| self.tensors.extend((length as u64).to_le_bytes()));
        self.tensors.extend(F32_TENSOR.to_le_bytes());
        self.tensors.extend((self.data.len() as u64).to_le_bytes());
        values.iter().for_each(|value| self.data.extend(value.to_le_bytes()));
        self.data.resize(self.data.len().next_multiple_of(ALIGNMENT), 0);
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(3_u32.to_le_bytes());
        bytes.extend(self.tensor_count.to_le_bytes());
        bytes.extend(self.pair_count.to_le_bytes());
        bytes.extend(self.pairs);
        bytes.extend(self.tensors);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes.extend(self.data);
        bytes
    }
}
