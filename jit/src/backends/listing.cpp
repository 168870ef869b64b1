#include "listing.hpp"

#include <bitaxon/core/error.hpp>

#include <fmt/format.h>

namespace bitaxon::jit {

std::string listing(const TieredProgram& program, std::optional<Target> target) {
    const std::vector<NodeId> roots = program.program().roots();
    std::string text =
        fmt::format("primitives ({} in the loop, {} bytes a row)\n{}", program.operations(),
                    program.row_bytes(), print(program.program().graph, roots));
    if (!target) {
        return text + "runs on the interpreter: the context's tier has no code generator\n";
    }
    try {
        const MachineCode code = generate(program.program(), *target, {.listing = true});
        text += fmt::format("{}: {} bytes, {} rows a vector, {} vectors an iteration, {} vector "
                            "registers, {} spills\n{}",
                            name(*target), code.code_bytes, code.rows_per_vector, code.unroll,
                            code.registers, code.spills, code.listing);
    } catch (const Error& error) {
        text += fmt::format("runs on the interpreter: {}\n", error.what());
    }
    return text;
}

}  // namespace bitaxon::jit
