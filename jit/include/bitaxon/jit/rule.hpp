// Neuron rules: differential equations, a threshold and a reset, written as text.
#pragma once

#include <bitaxon/jit/functions.hpp>
#include <bitaxon/jit/types.hpp>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bitaxon::jit {

struct RuleOptions {
    /// Statements, one a line or separated by `;`:
    ///
    ///     name : type = value (constant|shared)  a variable; a parameter if nothing changes it
    ///     dname/dt = ... (unless refractory)     a differential equation; time is in seconds
    ///     name = ...                             a sub-expression, or, of a declared variable, its
    ///                                            next value: computed once a step
    ///
    /// Types are real (the population's own float), f32, f64, i16, i32 and i64. Names with a
    /// meaning: i (the input current, of type real unless declared), t and dt (seconds), xi and
    /// xi_... (white noise, one source for each name). In differential equations a quotient by what
    /// never changes in a run is computed as a product with its reciprocal.
    std::string equations;
    /// A condition; without it nothing spikes.
    std::string threshold = {};
    /// Statements `name = ...`, `+=` and `-=` that run, in order, for neurons that spike; or
    /// `value` (v = v_reset), `subtract` (v -= v_threshold - v_reset, v_reset being 0 where the
    /// rule has no such parameter), or `none`.
    std::string reset = {};
    /// Seconds, or an expression of parameters and dt. A neuron that spikes in step s can spike
    /// again in step s + R, R = floor(refractory / dt + 1e-3); until then variables flagged
    /// `(unless refractory)` stay what they are, others go on.
    std::variant<double, std::string> refractory = 0.0;
    /// euler, exponential_euler, exact, heun, rk4, or auto: exact for linear equations with
    /// constant coefficients, exponential_euler where each variable is linear in itself, euler for
    /// noise, else rk4.
    std::string method = "auto";
    /// Defaults of parameters: those that `equations` declares, and others that the texts name.
    /// The names of the field have defaults of their own where nothing is given:
    /// standard_parameters().
    std::map<std::string, double> parameters = {};
    std::string name = {};
    Functions functions = {};
};

/// A variable of a rule: a state of each neuron.
struct RuleVariable {
    std::string name;
    Type type;
    bool unless_refractory = false;
};

struct RuleParameter {
    std::string name;
    Type type;
    double value;         ///< its default
    bool shared = false;  ///< declared so: one value for all neurons
};

/// A rule that was parsed and checked. Immutable, cheap to copy, and free of any size, time step
/// and element type.
class Rule {
  public:
    /// @throws Error for texts that don't parse, unknown names, and a method that the equations
    /// don't allow; with the place where there is one
    explicit Rule(const RuleOptions& options);

    const RuleOptions& options() const noexcept;
    const std::string& name() const noexcept;  ///< "rule" unless given
    /// The method in use, never "auto".
    std::string_view method() const noexcept;
    /// Why this method.
    const std::string& method_reason() const noexcept;

    /// Variables and parameters, with `real` standing for the type real.
    std::vector<RuleVariable> variables(Type real = Type::f64) const;
    std::vector<RuleParameter> parameters(Type real = Type::f64) const;
    bool spikes() const noexcept;         ///< has a threshold
    bool takes_current() const noexcept;  ///< reads i
    bool is_random() const noexcept;      ///< calls rand() or randn(), or has xi
    /// Calls functions of the caller's own: all of a step's on one thread, in ascending order.
    bool calls_external() const noexcept;
    std::string repr() const;

    struct State;  ///< opaque
    const std::shared_ptr<const State>& state() const noexcept { return state_; }

  private:
    std::shared_ptr<const State> state_;
};

/// A name that rules may use without declaring it, and what it is then.
struct StandardParameter {
    std::string_view name;
    double value;
    std::string_view meaning;
};
std::span<const StandardParameter> standard_parameters() noexcept;

/// A rule that comes with the library, as data.
struct BuiltInRule {
    std::string_view name;
    std::string_view equations;
    std::string_view threshold;
    std::string_view reset;
    std::string_view refractory;
    std::string_view method;
    std::string_view source;  ///< author and year, and the units of its parameters
};
std::span<const BuiltInRule> built_in_rules() noexcept;

/// The built-in rule of that name, upper and lower case alike, with these parameters in place of
/// its defaults. @throws Error with the nearest name for an unknown one
Rule built_in_rule(std::string_view name, const std::map<std::string, double>& parameters = {});

}  // namespace bitaxon::jit
