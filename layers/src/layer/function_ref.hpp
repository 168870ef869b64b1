// A callable that is borrowed for the time of a call.
#pragma once

namespace bitaxon {

template <class Signature>
class FunctionRef;

/// Refers to what it is made of, which must outlive it: std::function would allocate.
template <class Result, class... Arguments>
class FunctionRef<Result(Arguments...)> {
  public:
    template <class Callable>
    FunctionRef(const Callable& callable)
        : callable_(&callable), call_([](const void* c, Arguments... arguments) -> Result {
              return (*static_cast<const Callable*>(c))(arguments...);
          }) {}

    Result operator()(Arguments... arguments) const { return call_(callable_, arguments...); }

  private:
    const void* callable_;
    Result (*call_)(const void*, Arguments...);
};

}  // namespace bitaxon
