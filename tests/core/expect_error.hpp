// What a call that must fail says.
#pragma once

#include <bitaxon/core/error.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace bitaxon {

/// Runs `call` and checks that it throws an Error of that code whose text holds all `parts`.
template <class Call>
void expect_error(ErrorCode code, const std::vector<std::string>& parts, Call&& call) {
    try {
        call();
        ADD_FAILURE() << "no error, expected one with '" << parts.front() << "'";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), code) << error.what();
        for (const std::string& part : parts)
            EXPECT_NE(std::string{error.what()}.find(part), std::string::npos)
                << "'" << part << "' is missing in: " << error.what();
    }
}

template <class Call>
void expect_error(const std::vector<std::string>& parts, Call&& call,
                  ErrorCode code = ErrorCode::invalid_value) {
    expect_error(code, parts, call);
}

}  // namespace bitaxon
