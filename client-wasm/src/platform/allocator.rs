//! The module's allocator: a quarter of the code of the standard library's, and memory that grows as one piece.

#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();
