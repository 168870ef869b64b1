// The rules that come with the library. Time is in seconds, potentials are in mV; what else a rule
// has for units its last line says. To add one, add a row.
#include "../language/ast.hpp"

#include <bitaxon/core/error.hpp>
#include <bitaxon/jit/rule.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace bitaxon::jit {
namespace {

constexpr BuiltInRule kRules[] = {
    {"IF",
     R"(c_m : real = 0.001 (constant)
v_threshold : real = 15 (constant)
v_reset : real = 0 (constant)
refractory : real = 0 (constant)
v : real = 0
dv/dt = i/c_m (unless refractory))",
     "v > v_threshold", "value", "refractory", "auto", "Lapicque 1907; i in uA/cm2, c_m in mF/cm2"},

    {"LIF",
     R"(tau_mem : real = 0.02 (constant)
v_rest : real = -65 (constant)
v_threshold : real = -50 (constant)
v_reset : real = -65 (constant)
r : real = 1 (constant)
refractory : real = 2e-3 (constant)
v : real = v_rest
dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory))",
     "v > v_threshold", "value", "refractory", "auto",
     "Lapicque 1907, Stein 1967; i in nA, r in MOhm"},

    {"CubaLIF",
     R"(tau_mem : real = 0.02 (constant)
tau_syn : real = 0.005 (constant)
v_rest : real = -65 (constant)
v_threshold : real = -50 (constant)
v_reset : real = -65 (constant)
r : real = 1 (constant)
refractory : real = 2e-3 (constant)
v : real = v_rest
dv/dt = (v_rest - v + r*i_syn)/tau_mem (unless refractory)
di_syn/dt = (i - i_syn)/tau_syn)",
     "v > v_threshold", "value", "refractory", "auto",
     "Vogels and Abbott 2005, with exponential synapses; i and i_syn in nA, r in MOhm"},

    {"ALIF",
     R"(tau_mem : real = 0.02 (constant)
tau_adapt : real = 0.2 (constant)
v_rest : real = -65 (constant)
v_threshold : real = -50 (constant)
v_reset : real = -65 (constant)
beta : real = 2 (constant)
r : real = 1 (constant)
refractory : real = 2e-3 (constant)
v : real = v_rest
dv/dt = (v_rest - v + r*i)/tau_mem (unless refractory)
da/dt = -a/tau_adapt)",
     "v > v_threshold + beta*a", "v = v_reset; a += 1", "refractory", "auto",
     "Bellec et al. 2018; a spike raises the threshold by beta mV; i in nA, r in MOhm"},

    {"QIF",
     R"(tau_mem : real = 0.02 (constant)
v_rest : real = -65 (constant)
v_critical : real = -50 (constant)
v_threshold : real = 0 (constant)
v_reset : real = -70 (constant)
gain : real = 0.05 (constant)
r : real = 1 (constant)
refractory : real = 0 (constant)
v : real = v_rest
dv/dt = (gain*(v - v_rest)*(v - v_critical) + r*i)/tau_mem (unless refractory))",
     "v > v_threshold", "value", "refractory", "auto",
     "Ermentrout and Kopell 1986, Latham et al. 2000; gain in 1/mV, i in nA, r in MOhm"},

    {"EIF",
     R"(tau_mem : real = 0.02 (constant)
v_rest : real = -65 (constant)
v_t : real = -50 (constant)
delta_t : real = 2 (constant)
v_threshold : real = -40 (constant)
v_reset : real = -65 (constant)
r : real = 1 (constant)
refractory : real = 2e-3 (constant)
v : real = v_rest
dv/dt = (v_rest - v + delta_t*exp((v - v_t)/delta_t) + r*i)/tau_mem (unless refractory))",
     "v > v_threshold", "value", "refractory", "auto",
     "Fourcaud-Trocme et al. 2003; v_threshold is v_t + 5 delta_t; i in nA, r in MOhm"},

    {"AdEx",
     R"(c_m : real = 0.281 (constant)
g_l : real = 30 (constant)
e_l : real = -70.6 (constant)
v_t : real = -50.4 (constant)
delta_t : real = 2 (constant)
v_threshold : real = -40.4 (constant)
v_reset : real = -70.6 (constant)
tau_w : real = 0.144 (constant)
a : real = 4 (constant)
b : real = 80.5 (constant)
v : real = e_l
dv/dt = (g_l*(e_l - v) + g_l*delta_t*exp((v - v_t)/delta_t) - w + i)/c_m
dw/dt = (a*(v - e_l) - w)/tau_w)",
     "v > v_threshold", "v = v_reset; w += b", "", "auto",
     "Brette and Gerstner 2005; v_threshold is v_t + 5 delta_t; i, w and b in pA, g_l and a in nS, "
     "c_m in nF"},

    {"Izhikevich",
     R"(a : real = 0.02 (constant)
b : real = 0.2 (constant)
c : real = -65 (constant)
d : real = 8 (constant)
ms : real = 1e-3 (constant)
v_threshold : real = 30 (constant)
v : real = c
u : real = b*c
dv/dt = (0.04*v^2 + 5*v + 140 - u + i)/ms
du/dt = a*(b*v - u)/ms)",
     "v >= v_threshold", "v = c; u += d", "", "auto", "Izhikevich 2003; i and u in mV/ms"},

    {"HodgkinHuxley",
     R"(c_m : real = 0.001 (constant)
g_na : real = 120 (constant)
g_k : real = 36 (constant)
g_l : real = 0.3 (constant)
e_na : real = 50 (constant)
e_k : real = -77 (constant)
e_l : real = -54.387 (constant)
v_threshold : real = 0 (constant)
refractory : real = 3e-3 (constant)
v : real = -65
m : real = 0.0529
h : real = 0.5961
n : real = 0.3177
alpha_m = 1000/exprel(-0.1*(v + 40))
beta_m = 4000*exp(-(v + 65)/18)
alpha_h = 70*exp(-0.05*(v + 65))
beta_h = 1000/(1 + exp(-0.1*(v + 35)))
alpha_n = 100/exprel(-0.1*(v + 55))
beta_n = 125*exp(-0.0125*(v + 65))
dv/dt = (i - g_na*m^3*h*(v - e_na) - g_k*n^4*(v - e_k) - g_l*(v - e_l))/c_m
dm/dt = alpha_m*(1 - m) - beta_m*m
dh/dt = alpha_h*(1 - h) - beta_h*h
dn/dt = alpha_n*(1 - n) - beta_n*n)",
     "v > v_threshold", "none", "refractory", "auto",
     "Hodgkin and Huxley 1952, at rest at -65 mV; i in uA/cm2, g in mS/cm2, c_m in mF/cm2"},

    {"FitzHughNagumo",
     R"(a : real = 0.7 (constant)
b : real = 0.8 (constant)
epsilon : real = 0.08 (constant)
tau : real = 1e-3 (constant)
v_threshold : real = 1 (constant)
refractory : real = 0.02 (constant)
v : real = -1.1994
w : real = -0.6243
dv/dt = (v - v^3/3 - w + i)/tau
dw/dt = epsilon*(v + a - b*w)/tau)",
     "v > v_threshold", "none", "refractory", "auto",
     "FitzHugh 1961, Nagumo et al. 1962; v, w and i without units, tau is the unit of time"},

    {"MorrisLecar",
     R"(c_m : real = 0.02 (constant)
g_ca : real = 4.4 (constant)
g_k : real = 8 (constant)
g_l : real = 2 (constant)
e_ca : real = 120 (constant)
e_k : real = -84 (constant)
e_l : real = -60 (constant)
v_1 : real = -1.2 (constant)
v_2 : real = 18 (constant)
v_3 : real = 2 (constant)
v_4 : real = 30 (constant)
phi : real = 40 (constant)
v_threshold : real = 0 (constant)
refractory : real = 0.03 (constant)
v : real = -60.9
w : real = 0.0149
m = 0.5*(1 + tanh((v - v_1)/v_2))
w_end = 0.5*(1 + tanh((v - v_3)/v_4))
dv/dt = (i - g_ca*m*(v - e_ca) - g_k*w*(v - e_k) - g_l*(v - e_l))/c_m
dw/dt = phi*cosh((v - v_3)/(2*v_4))*(w_end - w))",
     "v > v_threshold", "none", "refractory", "auto",
     "Morris and Lecar 1981; i in uA/cm2, g in mS/cm2, c_m in mF/cm2, phi in 1/s"},

    {"HindmarshRose",
     R"(a : real = 1 (constant)
b : real = 3 (constant)
c : real = 1 (constant)
d : real = 5 (constant)
s : real = 4 (constant)
epsilon : real = 0.006 (constant)
v_rest : real = -1.6 (constant)
tau : real = 1e-3 (constant)
v_threshold : real = 1 (constant)
refractory : real = 4e-3 (constant)
v : real = v_rest
w : real = -11.8
z : real = 0
dv/dt = (w - a*v^3 + b*v^2 - z + i)/tau
dw/dt = (c - d*v^2 - w)/tau
dz/dt = epsilon*(s*(v - v_rest) - z)/tau)",
     "v > v_threshold", "none", "refractory", "auto",
     "Hindmarsh and Rose 1984; v, w, z and i without units, tau is the unit of time"},

    {"Poisson", "rate : real = 10", "rand() < rate*dt", "none", "", "auto",
     "a spike in each step with probability rate dt; rate in Hz"},

    {"Kuramoto",
     R"(frequency : real = 10
theta : real = 0
dtheta/dt = 2*pi*frequency + i)",
     "theta > 2*pi", "theta -= 2*pi", "", "auto",
     "Kuramoto 1975, one oscillator: the coupling comes in as i, in rad/s; a spike a turn"},

    // v is clamped for whole steps after a spike and integrates again in step s + refractory + 1.
    {"Q8.8 LIF",
     R"(i : i32
v : i16 = v_rest
waiting : i32 = 0
leak : i32 = 20 (constant)
gain : i32 = 256 (constant)
noise : i32 = 0
v_rest : i16 = 0 (constant)
v_reset : i16 = 0 (constant)
v_threshold : i16 = 256 (constant)
refractory : i32 = 2 (constant)
dv = ((v_rest - i32(v))*leak >> 8) + ((i*gain >> 8) + noise)
v = v_reset if waiting > 0 else i16(v + dv)
waiting = max(waiting - 1, 0))",
     "v >= v_threshold", "v = v_reset; waiting = refractory", "", "auto",
     "leaky integrate-and-fire in fixed point with 8 fractional bits, as circuits have it; v, i "
     "and "
     "noise in 1/256, refractory in steps"},
};

// Letters and digits only, in lower case.
std::string plain(std::string_view name) {
    std::string result;
    for (const char c : name) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
            result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        }
    }
    return result;
}

}  // namespace

std::span<const BuiltInRule> built_in_rules() noexcept { return kRules; }

Rule built_in_rule(std::string_view name, const std::map<std::string, double>& parameters) {
    const auto found =
        std::find_if(std::begin(kRules), std::end(kRules),
                     [&](const BuiltInRule& r) { return plain(r.name) == plain(name); });
    if (found == std::end(kRules)) {
        std::vector<std::string> names;
        for (const BuiltInRule& rule : kRules) {
            names.emplace_back(rule.name);
        }
        throw_error(ErrorCode::invalid_value, "name", name,
                    fmt::format("one of {}{}", fmt::join(names, ", "), suggestion(name, names)));
    }
    return Rule({.equations = std::string(found->equations),
                 .threshold = std::string(found->threshold),
                 .reset = std::string(found->reset),
                 .refractory = std::string(found->refractory),
                 .method = std::string(found->method),
                 .parameters = parameters,
                 .name = std::string(found->name)});
}

}  // namespace bitaxon::jit
